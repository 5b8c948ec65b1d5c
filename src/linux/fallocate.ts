import { call } from "./libc.ts";

const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 16;

function fallocate(what: string, fd: number, mode: number, offsetBytes: number, lengthBytes: number): void {
  call({ syscall: what }, "int fallocate(int, int, int64, int64)", fd, mode, offsetBytes, lengthBytes);
}

/** Gives a range of a file back to its file system; it reads as zeroes, the size stays. */
export function punchHole(fd: number, offsetBytes: number, lengthBytes: number): void {
  fallocate("punch a hole", fd, PUNCH_HOLE | KEEP_SIZE, offsetBytes, lengthBytes);
}

/** Makes a range read as zeroes while it stays allocated; the size stays. EOPNOTSUPP on tmpfs. */
export function zeroRange(fd: number, offsetBytes: number, lengthBytes: number): void {
  fallocate("zero a range", fd, ZERO_RANGE | KEEP_SIZE, offsetBytes, lengthBytes);
}

/** Reserves space for a range, growing the file where needed. */
export function allocate(fd: number, offsetBytes: number, lengthBytes: number): void {
  fallocate("allocate space", fd, 0, offsetBytes, lengthBytes);
}
