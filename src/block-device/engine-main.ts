// The engine process: `engine.js RUNDIR POOL MODE`; descriptor 3 is /dev/fuse, descriptor 4, unless MODE is resume or fail, the report pipe.
import { runEngine, type EngineMode } from "./engine.ts";
import { poolPaths } from "./pool-paths.ts";

const [runDir, name, mode] = process.argv.slice(2) as [string, string, EngineMode];
// The thread never returns to the event loop, so these handlers only keep the signals from ending the process.
for (const signal of ["SIGHUP", "SIGINT", "SIGPIPE"] as const) process.on(signal, () => undefined);
try {
  runEngine({
    paths: poolPaths(runDir, name),
    mode,
    fuseFd: 3,
    reportFd: mode === "create" || mode === "recover" ? 4 : undefined,
  });
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
