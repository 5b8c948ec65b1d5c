import { call } from "./libc.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const S_IFIFO = 0o010000;
const NANOSECONDS = 1_000_000_000n;

/** A device number, as `stat` packs it, in its two parts. */
export function majorMinor(rdev: number | bigint): { major: number; minor: number } {
  const number = BigInt(rdev);
  return {
    major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n)),
    minor: Number((number & 0xffn) | ((number >> 12n) & 0xffffff00n)),
  };
}

/** The inverse of `majorMinor`. */
export function packDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | ((high & ~0xfffn) << 32n);
}

/** mknod(2). `mode` holds the file's kind (S_IFCHR, S_IFBLK, S_IFSOCK …) and permissions; the umask applies. */
export function makeNode(path: string, mode: number, major = 0, minor = 0): void {
  const declaration = "int mknod(const char *, uint, uint64)";
  call({ syscall: "make the special file", path }, declaration, path, mode, packDevice(major, minor));
}

/** A named pipe. */
export function makeFifo(path: string, permissions: number): void {
  makeNode(path, S_IFIFO | permissions);
}

/** Sets a file's times, in nanoseconds since 1970 (before it: negative). Links are not followed unless asked. */
export function setTimes(path: string, atimeNs: bigint, mtimeNs: bigint, options: { follow?: boolean } = {}): void {
  const times = Buffer.alloc(32);
  [atimeNs, mtimeNs].forEach((time, index) => {
    const nanoseconds = ((time % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
    times.writeBigInt64LE((time - nanoseconds) / NANOSECONDS, index * 16);
    times.writeBigInt64LE(nanoseconds, index * 16 + 8);
  });
  const flags = options.follow === true ? 0 : AT_SYMLINK_NOFOLLOW;
  const declaration = "int utimensat(int, const char *, const void *, int)";
  call({ syscall: "set the times of", path }, declaration, AT_FDCWD, path, times, flags);
}

/** Makes a folder the root of this process's file tree, and its working folder. */
export function chroot(path: string): void {
  call({ syscall: "chroot to", path }, "int chroot(const char *)", path);
  process.chdir("/");
}
