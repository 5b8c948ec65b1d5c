import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * The processes that hold a lock on a byte of a file, as /proc tells of their open files (proc(5), fdinfo). F_OFD_GETLK says only
 * that there is one. Processes that this one cannot see are not among them.
 *
 * @param path absolute, without links
 */
export function lockHolders(path: string, byte: bigint): number[] {
  const found: number[] = [];
  for (const pid of readdirSync("/proc")) {
    if (/^\d+$/.test(pid) && descriptorsOf(pid, path).some((fd) => locks(pid, fd, byte))) found.push(Number(pid));
  }
  return found;
}

function descriptorsOf(pid: string, path: string): string[] {
  return orNothing([], () =>
    readdirSync(`/proc/${pid}/fd`).filter((fd) => orNothing("", () => readlinkSync(`/proc/${pid}/fd/${fd}`)) === path),
  );
}

/** Among the descriptor's lines: `lock: 1: OFDLCK ADVISORY WRITE -1 fe:00:1234 FIRST LAST`, the last one maybe EOF. */
function locks(pid: string, fd: string, byte: bigint): boolean {
  const info = orNothing("", () => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"));
  for (const [, first, last] of info.matchAll(/^lock:.* (\d+) (\d+|EOF)$/gm)) {
    if (BigInt(first) <= byte && (last === "EOF" || byte <= BigInt(last))) return true;
  }
  return false;
}

/** A process may end, or close a file, while it is looked at. */
function orNothing<T>(nothing: T, look: () => T): T {
  try {
    return look();
  } catch {
    return nothing;
  }
}
