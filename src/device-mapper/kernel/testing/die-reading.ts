// For tests: a process that is killed while it has the pool that it is given suspended, to read its metadata.
import { execFileSync } from "node:child_process";
import { KernelDevices } from "../kernel-devices.ts";
import { readMetadata } from "../pool-metadata.ts";

const [, , pool, firstId] = process.argv;
let id = Number(firstId);
await readMetadata(new KernelDevices({ deferredRemoval: true }), pool, () => {
  if (/SUSPENDED/.test(execFileSync("dmsetup", ["info", pool], { encoding: "utf8" })))
    process.kill(process.pid, "SIGKILL");
  // Changed during each reading, until it is suspended for one.
  execFileSync("dmsetup", ["message", pool, "0", `create_thin ${id++}`]);
});
