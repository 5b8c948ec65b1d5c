import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** What a process holds. */
export interface Footprint {
  residentBytes: number;
  /** Open files by kind, such as "socket", "pipe" or a path. */
  files: Map<string, number>;
  /** Its child processes by command line: one that takes the place of another, as a pool's monitor does, is no more. */
  children: Map<string, number>;
}

/** @throws Error when there is no such process */
export function footprint(pid: number): Footprint {
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => openFile(pid, fd).replace(/:\[\d+\]$/, ""));
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean);
  return {
    residentBytes: Number(resident![1]) * 1024,
    files: counted(files),
    children: counted(children.map(command)),
  };
}

function counted(kinds: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** The pool's control file stays open for a next use, as often as it can be used at once. */
const mostControlFiles = 4;

/** What a process holds now and did not before, a line each. */
export function additions(before: Footprint, now: Footprint): string[] {
  const isKept = (kind: string, count: number): boolean => kind.endsWith("/mount/control") && count <= mostControlFiles;
  const files = grown(before.files, now.files).filter(([kind, count]) => !isKept(kind, count));
  return [
    ...files.map(([kind, count]) => `${count} × ${kind}, before ${before.files.get(kind) ?? 0}`),
    ...grown(before.children, now.children).map(
      ([child, count]) => `${count} × child process ${child}, before ${before.children.get(child) ?? 0}`,
    ),
  ];
}

function grown(before: Map<string, number>, now: Map<string, number>): [string, number][] {
  return [...now].filter(([kind, count]) => count > (before.get(kind) ?? 0));
}

/** Waits until a process has let go of all that it did not hold before. @returns what it still holds after some seconds */
export async function settled(pid: number, before: Footprint, seconds = 20): Promise<string[]> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const more = additions(before, footprint(pid));
    if (more.length === 0 || performance.now() > until) return more;
    await sleep(50);
  }
}

function openFile(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return "closed meanwhile";
  }
}

/** A process's command line; of one that has ended and was not waited for, or of the kernel, its name and state. */
function command(pid: string): string {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return `"${line || readFileSync(`/proc/${pid}/stat`, "utf8").split(" ").slice(1, 3).join(" ")}"`;
  } catch {
    return "that ended meanwhile";
  }
}
