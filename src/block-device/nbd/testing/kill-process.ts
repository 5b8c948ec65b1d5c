import type { ProcessIdentity } from "../../process-identity.ts";

/** For tests: kills that process, which has to be there: number 0 would mean this process and its kin. */
export function killProcess(victim: Pick<ProcessIdentity, "pid"> | undefined): void {
  if (victim === undefined || !(victim.pid > 0)) throw new Error("Cannot kill: there is no such process");
  process.kill(victim.pid, "SIGKILL");
}
