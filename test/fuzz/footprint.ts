import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** What a process holds. */
export interface Footprint {
  residentBytes: number;
  /** Open files by kind, such as "socket", "pipe" or a path. */
  files: Map<string, number>;
  /** Its child processes. */
  children: number[];
}

/** @throws Error when there is no such process */
export function footprint(pid: number): Footprint {
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  const files = new Map<string, number>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const kind = openFile(pid, fd).replace(/:\[\d+\]$/, "");
    files.set(kind, (files.get(kind) ?? 0) + 1);
  }
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  return { residentBytes: Number(resident![1]) * 1024, files, children };
}

/** The pool's control file stays open for a next use, as often as it can be used at once. */
const mostControlFiles = 4;

/** What a process holds now and did not before, a line each. */
export function additions(before: Footprint, now: Footprint): string[] {
  const isKept = (kind: string, count: number): boolean => kind.endsWith("/mount/control") && count <= mostControlFiles;
  const files = [...now.files].filter(([kind, count]) => count > (before.files.get(kind) ?? 0) && !isKept(kind, count));
  return [
    ...files.map(([kind, count]) => `${count} × ${kind}, before ${before.files.get(kind) ?? 0}`),
    ...now.children.filter((pid) => !before.children.includes(pid)).map((pid) => `child process ${pid}`),
  ];
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
