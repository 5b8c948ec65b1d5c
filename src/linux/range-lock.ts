import { closeSync, openSync } from "node:fs";
import { lastErrno, libc } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

// fcntl.h: locks that belong to the open file description, not to the process.
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const lockType = { shared: 0, exclusive: 1, none: 2 } as const;

/** How a range is locked: many may hold it shared, one exclusively. */
export type LockKind = "shared" | "exclusive";

/**
 * Many locks in one file: open file description locks on ranges of bytes (fcntl(2), F_OFD_SETLK), which need not exist in
 * the file. Taking one is one system call. Other openings of the file exclude each other, in this process or another; one
 * opening never excludes itself. The kernel frees the locks when the process ends, however it ends.
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
  try(start: bigint, length: bigint, kind: LockKind): boolean {
    return this.#call(F_OFD_SETLK, start, length, lockType[kind]);
  }

  release(start: bigint, length: bigint): void {
    this.#call(F_OFD_SETLK, start, length, lockType.none);
  }

  /** Where the first lock of someone else in a range begins, or undefined. */
  firstOther(start: bigint, length: bigint): bigint | undefined {
    this.#call(F_OFD_GETLK, start, length, lockType.exclusive);
    return this.#request.readInt16LE(0) === lockType.none ? undefined : this.#request.readBigInt64LE(8);
  }

  /** Releases everything. */
  close(): void {
    closeSync(this.#fd);
  }

  #call(command: number, start: bigint, length: bigint, type: number): boolean {
    // struct flock on 64-bit: l_type i16, l_whence i16, 4 bytes of padding, l_start i64, l_len i64, l_pid i32 (0 here).
    this.#request.fill(0);
    this.#request.writeInt16LE(type, 0);
    this.#request.writeBigInt64LE(start, 8);
    this.#request.writeBigInt64LE(length, 16);
    if (libc("int fcntl(int, int, void *)")(this.#fd, command, this.#request) === 0) return true;
    const number = lastErrno();
    if (number === errno.EAGAIN || number === errno.EACCES) return false;
    throw new SystemError(number, { syscall: "lock", path: this.path });
  }
}
