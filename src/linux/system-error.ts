import { constants } from "node:os";

/** Error numbers of the running system, by name: `errno.ENOSPC` is 28 on Linux. All positive. */
export const errno = constants.errno;

/** What `SystemError` is about, beside the error number. */
export interface SystemErrorContext {
  /** The call that failed, as the manual names it: `mount`, `ioctl(LOOP_CONFIGURE)`. */
  syscall: string;
  /** The path it was given, if any. */
  path?: string | undefined;
}

const meanings: Partial<Record<string, string>> = {
  EACCES: "permission denied",
  EBADF: "bad file descriptor",
  EBUSY: "device or resource busy",
  EEXIST: "it exists already",
  EINVAL: "invalid argument",
  EIO: "input/output error",
  ENODATA: "no data available",
  ENODEV: "no such device",
  ENOENT: "no such file or directory",
  ENOMEM: "out of memory",
  ENOSPC: "no space left on device",
  ENOSYS: "not implemented by this kernel",
  ENOTTY: "not a device of that kind",
  ENXIO: "no such device or address",
  EOPNOTSUPP: "operation not supported",
  EPERM: "operation not permitted (are you root?)",
  EROFS: "read-only file system",
  ESTALE: "stale file handle",
  ESRCH: "no such process",
};

/** A failed system call: `code` is the error's name ("EBUSY"), `errno` its positive number. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(number: number, context: SystemErrorContext) {
    const code = errnoName(number);
    const on = context.path === undefined ? "" : ` '${context.path}'`;
    super(`Cannot ${context.syscall}${on}: ${meanings[code] ?? "the kernel refused"} (${code})`);
    this.name = "SystemError";
    this.code = code;
    this.errno = number;
    this.syscall = context.syscall;
    this.path = context.path;
  }
}

/** Second names of errors that have another on Linux: EAGAIN, EOPNOTSUPP. */
const aliases = new Set(["EWOULDBLOCK", "ENOTSUP"]);

/** The name of a positive error number: 16 gives "EBUSY"; an unknown one gives "E<number>". */
export function errnoName(number: number): string {
  for (const [name, value] of Object.entries(errno)) if (value === number && !aliases.has(name)) return name;
  return `E${number}`;
}

/** The `code` of any error that carries one as a string, else undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
