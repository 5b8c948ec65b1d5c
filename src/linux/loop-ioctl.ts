import { call, lastErrno, libc } from "./libc.ts";
import { errno, SystemError } from "./system-error.ts";

/** Requests of linux/loop.h. */
export const loopRequest = {
  clearFd: 0x4c01,
  setStatus64: 0x4c04,
  getStatus64: 0x4c05,
  setCapacity: 0x4c07,
  configure: 0x4c0a,
  add: 0x4c80,
  getFree: 0x4c82,
} as const;

/** Flags of struct loop_info64. */
export const loopFlags = { readOnly: 1, autoclear: 4, directIo: 16 } as const;

/** Bytes of struct loop_info64, and where its parts are. */
export const loopInfo64 = {
  size: 232,
  inode: 8,
  offset: 24,
  sizeLimit: 32,
  number: 40,
  flags: 52,
  fileName: 56,
} as const;

/** Bytes of struct loop_config: u32 fd, u32 block_size, loop_info64, 64 reserved. */
export const loopConfig = { size: 304, blockSize: 4, info: 8 } as const;

/** ioctl on a loop device with a structure; throws SystemError. */
export function loopIoctl(device: string, fd: number, request: number, structure: Uint8Array): void {
  call({ syscall: "set up the loop device", path: device }, "int ioctl(int, ulong, void *)", fd, request, structure);
}

/** ioctl with a number; the negative error number when it fails, for callers to whom failures are answers. */
export function loopCommand(fd: number, request: number, value: number): number {
  const result = libc("int ioctl(int, ulong, ulong)")(fd, request, value);
  return result === -1 ? -lastErrno() : result;
}

/** LOOP_GET_STATUS64 into a new buffer; undefined when nothing is attached. */
export function readLoopStatus(device: string, fd: number): Buffer | undefined {
  const status = Buffer.alloc(loopInfo64.size);
  try {
    loopIoctl(device, fd, loopRequest.getStatus64, status);
  } catch (error) {
    if (error instanceof SystemError && error.errno === errno.ENXIO) return undefined;
    throw error;
  }
  return status;
}
