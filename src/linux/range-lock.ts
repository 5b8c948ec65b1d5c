import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { lastErrno, libc } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

// fcntl.h: locks that belong to the open file description, not to the process.
const F_OFD_SETLK = 37;
const lockType = { shared: 0, exclusive: 1, none: 2 } as const;

/** One byte of the file stands for one thing that is locked; the file need not be so long. */
export type LockKind = "shared" | "exclusive";

/**
 * Many locks in one file: open file description locks on single bytes of it (fcntl(2), F_OFD_SETLK). Taking one is one
 * system call. Other openings of the file exclude each other, in this process or another; one opening never excludes
 * itself. The kernel frees the locks when the process ends, however it ends.
 */
export class RangeLocks {
  readonly path: string;
  readonly #fd: number;
  readonly #request = Buffer.alloc(32);

  /** Opens the file, made if missing. */
  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "a+", 0o600);
  }

  /** Takes a lock, or turns one that is held into the other kind. False when someone else's is in the way. */
  try(byte: number, kind: LockKind): boolean {
    return this.#set(byte, lockType[kind]);
  }

  release(byte: number): void {
    this.#set(byte, lockType.none);
  }

  /** Releases everything. */
  close(): void {
    closeSync(this.#fd);
  }

  /** Ids of the other processes that hold a lock on this byte, as far as /proc shows them. */
  holders(byte: number): number[] {
    return lockHolders(this.path, byte);
  }

  #set(byte: number, type: number): boolean {
    // struct flock on 64-bit: l_type i16, l_whence i16, 4 bytes of padding, l_start i64, l_len i64, l_pid i32 (0 here).
    this.#request.fill(0);
    this.#request.writeInt16LE(type, 0);
    this.#request.writeBigInt64LE(BigInt(byte), 8);
    this.#request.writeBigInt64LE(1n, 16);
    if (libc("int fcntl(int, int, void *)")(this.#fd, F_OFD_SETLK, this.#request) === 0) return true;
    const number = lastErrno();
    if (number === errno.EAGAIN || number === errno.EACCES) return false;
    throw new SystemError(number, { syscall: "lock", path: this.path });
  }
}

/** The kernel names no owner for such locks, but each descriptor's fdinfo lists those it holds. Slow: for messages only. */
function lockHolders(path: string, byte: number): number[] {
  const holders: number[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const held = readdirSync(`/proc/${pid}/fd`).some(
        (fd) =>
          readlinkSync(`/proc/${pid}/fd/${fd}`) === path &&
          readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1")
            .split("\n")
            .some((line) => line.startsWith("lock:") && line.trimEnd().endsWith(` ${byte} ${byte}`)),
      );
      if (held) holders.push(pid);
    } catch {
      // It ended, or closed the descriptor, while we looked.
    }
  }
  return holders;
}
