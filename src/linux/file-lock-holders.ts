import { readFileSync } from "node:fs";
import { majorMinor } from "./special-files.ts";

/**
 * The processes that hold a lock of flock(2) on a file, as /proc/locks tells (proc(5)): by the file's inode, so also under another path. Each is the
 * process that took the lock, though a child or another may have the descriptor now. Those of other pid namespaces are not among them.
 */
export function fileLockHolders(file: { dev: bigint; ino: bigint }): number[] {
  const { major, minor } = majorMinor(file.dev);
  const hex = (number: number) => number.toString(16).padStart(2, "0");
  const place = `${hex(major)}:${hex(minor)}:${file.ino}`;
  const found = new Set<number>();
  for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
    // 1: FLOCK  ADVISORY  READ 1234 00:05:678 0 EOF
    const [, kind, , , pid, locked] = line.split(/\s+/);
    if (kind === "FLOCK" && locked === place && Number(pid) > 0) found.add(Number(pid));
  }
  return [...found];
}
