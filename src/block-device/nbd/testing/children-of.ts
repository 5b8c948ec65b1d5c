import { readdirSync, readFileSync } from "node:fs";

/** For tests: the processes that a process has started itself. */
export function childrenOf(pid: number): number[] {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return processes.filter((name) => parentOf(name) === pid).map(Number);
}

/** From /proc/PID/stat, proc(5). undefined when it has ended. */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}
