import { lastErrno, libc, call } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

/** Whether a symbolic link is followed. Default: it is not; the link itself is meant. */
export interface FollowOption {
  follow?: boolean;
}

/** Names of a file's extended attributes; none where the file system has no such thing. */
export function listXattrs(path: string, options: FollowOption = {}): string[] {
  const declaration = `long ${options.follow === true ? "" : "l"}listxattr(const char *, void *, ulong)`;
  const names = readGrowing({ syscall: "list extended attributes of", path }, (buffer, size) =>
    libc(declaration)(path, buffer, size),
  );
  return names === undefined ? [] : names.toString("utf8").split("\0").filter(Boolean);
}

/** An extended attribute's value, or undefined when the file has none of that name. */
export function getXattr(path: string, name: string, options: FollowOption = {}): Buffer | undefined {
  const declaration = `long ${options.follow === true ? "" : "l"}getxattr(const char *, const char *, void *, ulong)`;
  return readGrowing({ syscall: `read attribute ${name} of`, path }, (buffer, size) =>
    libc(declaration)(path, name, buffer, size),
  );
}

/** Sets an extended attribute. EOPNOTSUPP where the file system or the file's kind cannot hold it. */
export function setXattr(path: string, name: string, value: Uint8Array, options: FollowOption = {}): void {
  call(
    { syscall: `set attribute ${name} of`, path },
    `int ${options.follow === true ? "" : "l"}setxattr(const char *, const char *, const void *, ulong, int)`,
    path,
    name,
    value,
    value.length,
    0,
  );
}

/** Removes an extended attribute. ENODATA when there is none of that name. */
export function removeXattr(path: string, name: string, options: FollowOption = {}): void {
  const declaration = `int ${options.follow === true ? "" : "l"}removexattr(const char *, const char *)`;
  call({ syscall: `remove attribute ${name} of`, path }, declaration, path, name);
}

function readGrowing(
  context: { syscall: string; path: string },
  read: (buffer: Buffer, size: number) => number,
): Buffer | undefined {
  for (let size = 1024; ; size *= 4) {
    const buffer = Buffer.alloc(size);
    const length = read(buffer, size);
    if (length >= 0) return buffer.subarray(0, length);
    const number = lastErrno();
    if (number === errno.ENODATA || number === errno.EOPNOTSUPP) return undefined;
    if (number !== errno.ERANGE || size > 1 << 20) throw new SystemError(number, context);
  }
}
