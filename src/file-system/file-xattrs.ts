import { lastErrno, libc } from "../linux/libc.ts";
import { errno, SystemError } from "../linux/system-error.ts";
import { belongsToHost, type Xattr } from "./xattr.ts";

const room = Buffer.alloc(1 << 16);

/**
 * All extended attributes of a file (not of what it links to), ordered by name. Unlike those of linux/, the path may be
 * bytes that are not UTF-8. Those that belong to this host are left out.
 */
export function fileXattrs(path: string | Buffer): Xattr[] {
  const cPath = typeof path === "string" ? path : Buffer.concat([path, Buffer.of(0)]);
  const list = libc(
    typeof path === "string"
      ? "long llistxattr(const char *, void *, size_t)"
      : "long llistxattr(const void *, void *, size_t)",
  );
  const length = list(cPath, room, room.length);
  if (length === 0) return [];
  if (length < 0) {
    const number = lastErrno();
    if (number === errno.EOPNOTSUPP || number === errno.ENOENT) return [];
    throw new SystemError(number, { syscall: "list the extended attributes of", path: path.toString() });
  }
  const names = room
    .toString("utf8", 0, length - 1)
    .split("\0")
    .sort();
  const xattrs: Xattr[] = [];
  for (const name of names) {
    if (belongsToHost(name)) continue;
    const value = xattrValue(cPath, name);
    if (value !== undefined) xattrs.push({ name, value });
  }
  return xattrs;
}

/** undefined when it went away in between, or may not be read. */
function xattrValue(cPath: string | Buffer, name: string): Buffer | undefined {
  const get = libc(
    typeof cPath === "string"
      ? "long lgetxattr(const char *, const char *, void *, size_t)"
      : "long lgetxattr(const void *, const char *, void *, size_t)",
  );
  const length = get(cPath, name, room, room.length);
  return length < 0 ? undefined : Buffer.from(room.subarray(0, length));
}
