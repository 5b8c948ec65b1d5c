import { call } from "./libc.ts";

const SYNC_FILE_RANGE_WRITE = 2;

/** Starts writing a range of a file's page cache to its disk, and does not wait for that. No flush: see fdatasync(2). */
export function startWriteback(fd: number, offsetBytes: number, lengthBytes: number): void {
  call(
    { syscall: "start writing back" },
    "int sync_file_range(int, int64, int64, uint)",
    fd,
    offsetBytes,
    lengthBytes,
    SYNC_FILE_RANGE_WRITE,
  );
}
