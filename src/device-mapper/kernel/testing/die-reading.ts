// For tests: a process that is killed while it holds a metadata snapshot of the pool it is given.
import { kernelDeviceMapper } from "../kernel-device-mapper.ts";
import { readMetadata } from "../pool-metadata.ts";

await readMetadata(kernelDeviceMapper(), process.argv[2], () => process.kill(process.pid, "SIGKILL"));
