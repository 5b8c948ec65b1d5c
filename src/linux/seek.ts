import { lastErrno, libc } from "./libc.ts";
import { errno, errorCode, SystemError } from "./system-error.ts";

const whence = { data: 3, hole: 4 } as const;

/**
 * Where data, or a hole, begins at or after a place in a file: bytes from its start. A file ends with a hole. The descriptor's own position is moved.
 *
 * @returns undefined when there is none any more; `offsetBytes` is past the file's end, or nothing but a hole follows
 * @throws SystemError EINVAL on a file system, or a device, that does not know
 */
export function seek(fd: number, offsetBytes: number, what: keyof typeof whence): number | undefined {
  const found = libc("int64 lseek(int, int64, int)")(fd, offsetBytes, whence[what]);
  if (found !== -1) return found;
  const number = lastErrno();
  if (number === errno.ENXIO) return undefined;
  throw new SystemError(number, { syscall: `look for ${what === "data" ? "data" : "a hole"}` });
}

/**
 * Whether a whole range of a file is a hole, so reads as zeroes and holds no space.
 * Block devices have no holes: false. The descriptor's own position is moved.
 */
export function isHole(fd: number, offsetBytes: number, lengthBytes: number): boolean {
  try {
    const data = seek(fd, offsetBytes, "data");
    return data === undefined || data >= offsetBytes + lengthBytes;
  } catch (error) {
    if (errorCode(error) === "EINVAL") return false; // a file system that does not know
    throw error;
  }
}
