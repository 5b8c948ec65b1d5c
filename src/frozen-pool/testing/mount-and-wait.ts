// For the tests: `mount-and-wait.ts OPTIONS` mounts a device, prints its path and waits to be killed.
import { type FrozenMountOptions, mountFrozen } from "../mount-frozen.ts";

const { path } = await mountFrozen(JSON.parse(process.argv[2]) as FrozenMountOptions);
process.stdout.write(path);
setInterval(() => undefined, 60_000);
