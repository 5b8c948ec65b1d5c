import { constants } from "node:fs";
import { lastErrno, libc } from "../linux/libc.ts";
import { SystemError } from "../linux/system-error.ts";
import { displayPath, type RawPath } from "./raw-path.ts";

const SYS_openat2 = 437;
const RESOLVE_IN_ROOT = 0x10;
const HOW_BYTES = 24;

/**
 * Opens a file for reading as a process whose root is a folder would: links, absolute ones and ".." too, stay in it
 * (openat2(2), Linux 5.6).
 *
 * @param rootFd an open descriptor of the folder
 * @returns a descriptor
 */
export function openInRoot(rootFd: number, path: RawPath): number {
  const how = Buffer.alloc(HOW_BYTES);
  how.writeBigUInt64LE(BigInt(constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | 0o2000000), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT), 16);
  const call = libc("long syscall(long, int, const void *, const void *, size_t)");
  const fd = call(SYS_openat2, rootFd, Buffer.from(`${path}\0`, "latin1"), how, HOW_BYTES);
  if (fd < 0) throw new SystemError(lastErrno(), { syscall: "open", path: displayPath(path) });
  return fd;
}
