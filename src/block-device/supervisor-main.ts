// The supervisor process: `supervisor.js RUNDIR POOL MODE`; descriptor 3 is the pipe for the ready report.
import { poolPaths } from "./pool-paths.ts";
import { outliveLauncher, Supervisor, type SupervisorMode } from "./supervisor.ts";

const [runDir, name, mode] = process.argv.slice(2) as [string, string, SupervisorMode];
outliveLauncher();
await new Supervisor(runDir, poolPaths(runDir, name)).run(mode, 3);
process.exit(0);
