// Mounts a device of a stopped pool: `frozen-device.js TASK` is the keeper, which runs in a mount namespace of its own, reports
// on standard output and ends when its standard input does; `frozen-device.js TASK serve` its server, with /dev/fuse as descriptor 3.
import { keepMount } from "./keep-mount.ts";
import type { KeeperTask } from "./mount-frozen.ts";
import { serveDevice } from "./serve-device.ts";

const task = JSON.parse(process.argv[2]) as KeeperTask;
// They end in order, by their standard input.
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"] as const) process.on(signal, () => undefined);
if (process.argv[3] === "serve") serveDevice(task, 3);
else await keepMount(task);
process.exit(0);
