import { readFileSync } from "node:fs";

/** A process, told apart from later ones with its number by when it started (clock ticks since boot). */
export interface ProcessIdentity {
  pid: number;
  startTime: string;
}

/** The identity of a living process (not a zombie), or undefined. Source: /proc/PID/stat, proc(5). */
export function identify(pid: number): ProcessIdentity | undefined {
  let stat;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The name, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : { pid, startTime: fields[19] };
}

/** Whether that very process still lives. */
export function isAlive(process: ProcessIdentity | undefined): boolean {
  return process !== undefined && identify(process.pid)?.startTime === process.startTime;
}
