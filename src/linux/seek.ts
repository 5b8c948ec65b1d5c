import { lastErrno, libc } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

const SEEK_DATA = 3;

/**
 * Whether a whole range of a file is a hole, so reads as zeroes and holds no space.
 * Block devices have no holes: false. The descriptor's own position is moved.
 */
export function isHole(fd: number, offsetBytes: number, lengthBytes: number): boolean {
  const data = libc("int64 lseek(int, int64, int)")(fd, offsetBytes, SEEK_DATA);
  if (data !== -1) return data >= offsetBytes + lengthBytes;
  const number = lastErrno();
  if (number === errno.ENXIO) return true; // no data from here to the end
  if (number === errno.EINVAL) return false; // a file system that does not know
  throw new SystemError(number, { syscall: "look for a hole" });
}
