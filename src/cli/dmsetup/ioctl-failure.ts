import { errorCode } from "../../linux/system-error.ts";
import { DmsetupFailure } from "./dmsetup-failure.ts";

/** The words of strerror(3) in the C locale, for what a device mapper answers. */
const words: Partial<Record<string, string>> = {
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
  EINTR: "Interrupted system call",
  EIO: "Input/output error",
  ENXIO: "No such device or address",
  EAGAIN: "Resource temporarily unavailable",
  ENOMEM: "Cannot allocate memory",
  EACCES: "Permission denied",
  ENOTBLK: "Block device required",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  ENODEV: "No such device",
  EINVAL: "Invalid argument",
  ENOTTY: "Inappropriate ioctl for device",
  EFBIG: "File too large",
  ENOSPC: "No space left on device",
  EROFS: "Read-only file system",
  ERANGE: "Numerical result out of range",
  ENAMETOOLONG: "File name too long",
  ENOSYS: "Function not implemented",
  ENODATA: "No data available",
  EOVERFLOW: "Value too large for defined data type",
  EILSEQ: "Invalid or incomplete multibyte or wide character",
  ENOTSUP: "Operation not supported",
  EOPNOTSUPP: "Operation not supported",
  ESTALE: "Stale file handle",
  ETIMEDOUT: "Connection timed out",
};

/** What strerror(3) says of an error name; the name where it is another. */
export function errorWords(code: string): string {
  return words[code] ?? code;
}

/** The failure of one of the device mapper's ioctls, as libdevmapper reports it. */
export function ioctlFailure(ioctl: string, subject: string, code: string, reason?: string): DmsetupFailure {
  return new DmsetupFailure(`device-mapper: ${ioctl} ioctl on ${subject} failed: ${errorWords(code)}`, { reason });
}

/**
 * Asks the device mapper for something.
 *
 * @param ioctl as libdevmapper calls it: "create", "waitevent"
 * @param subject the device, as `Designation` has it
 * @throws DmsetupFailure in libdevmapper's words
 */
export async function ask<T>(ioctl: string, subject: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined || !(error instanceof Error)) throw error;
    throw ioctlFailure(ioctl, subject, code, error.message);
  }
}
