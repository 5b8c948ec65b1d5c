import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { lastErrno, libc } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const POLL_MS = 5;

/** A held lock. The kernel frees it too when the process ends, however it ends. */
export interface FileLock {
  release(): void;
}

/** How to lock. */
export interface LockOptions {
  /** true: as long as it takes; false: try once; a number: at most so many milliseconds. Default true. */
  wait?: boolean | number;
  /** false lets other shared holders in. Default true. */
  exclusive?: boolean;
}

/**
 * Locks a file (made if missing) against other holders, in this process or another (flock(2)).
 *
 * @throws SystemError with code EAGAIN when it is held elsewhere and the wait is over
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<FileLock> {
  const wait = options.wait ?? true;
  const giveUpAt = typeof wait === "number" ? performance.now() + wait : wait ? Infinity : 0;
  for (;;) {
    const lock = tryLock(path, options.exclusive ?? true);
    if (lock !== undefined) return lock;
    if (performance.now() >= giveUpAt) throw new SystemError(errno.EAGAIN, { syscall: "lock", path });
    await sleep(POLL_MS);
  }
}

/** As `lockFile` with `wait: false`, at once; throws EAGAIN when the file is locked elsewhere. */
export function lockFileSync(path: string, options: { exclusive?: boolean } = {}): FileLock {
  const lock = tryLock(path, options.exclusive ?? true);
  if (lock === undefined) throw new SystemError(errno.EAGAIN, { syscall: "lock", path });
  return lock;
}

function tryLock(path: string, exclusive: boolean): FileLock | undefined {
  const fd = openSync(path, "a", 0o600);
  const operation = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
  if (libc("int flock(int, int)")(fd, operation) === 0) {
    let held = true;
    return {
      release() {
        if (held) closeSync(fd);
        held = false;
      },
    };
  }
  const number = lastErrno();
  closeSync(fd);
  if (number === errno.EAGAIN || number === errno.EINTR) return undefined;
  throw new SystemError(number, { syscall: "lock", path });
}

/** Locks an open file, once; the lock goes with its descriptor. False when it is held elsewhere in a way that excludes this. */
export function lockOpenFile(fd: number, kind: "shared" | "exclusive"): boolean {
  if (libc("int flock(int, int)")(fd, (kind === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
  const number = lastErrno();
  if (number === errno.EAGAIN) return false;
  throw new SystemError(number, { syscall: "lock" });
}

/** Whether somebody holds a file's lock exclusively. Asks through a descriptor that only reads, and changes nothing. */
export function isLocked(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    if (libc("int flock(int, int)")(fd, LOCK_SH | LOCK_NB) === 0) return false;
    return lastErrno() === errno.EAGAIN;
  } finally {
    closeSync(fd);
  }
}
