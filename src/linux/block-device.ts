import { closeSync, fstatSync, fsyncSync, openSync, statSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { call, callAsync } from "./libc.ts";

// linux/fs.h
const BLKROSET = 0x125d;
const BLKGETSIZE64 = 0x80081272;
const BLKFLSBUF = 0x1261;
const BLKSSZGET = 0x1268;
const BLKDISCARD = 0x1277;
const BLKZEROOUT = 0x127f;
const BLKRASET = 0x1262;

const ioctlPointer = "int ioctl(int, ulong, void *)";
const ioctlNumber = "int ioctl(int, ulong, ulong)";

/** Whether the path names a block device (following links); false if nothing is there. */
export function isBlockDevice(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isBlockDevice() ?? false;
}

/** Bytes in a block device or file, given as an open descriptor or a path. */
export function deviceSizeBytes(device: number | string): number {
  if (typeof device === "string") {
    const fd = openSync(device, "r");
    try {
      return deviceSizeBytes(fd);
    } finally {
      closeSync(fd);
    }
  }
  const stat = fstatSync(device);
  if (!stat.isBlockDevice()) return stat.size;
  const size = Buffer.alloc(8);
  call({ syscall: "read the device's size" }, ioctlPointer, device, BLKGETSIZE64, size);
  return Number(size.readBigUInt64LE());
}

/** What offsets and lengths of direct I/O on a block device are multiples of, in bytes. */
export function logicalBlockBytes(fd: number): number {
  const size = Buffer.alloc(4);
  call({ syscall: "read the device's block size" }, ioctlPointer, fd, BLKSSZGET, size);
  return size.readUInt32LE();
}

function rangeIoctl(what: string, fd: number, request: number, offsetBytes: number, lengthBytes: number): void {
  const range = Buffer.alloc(16);
  range.writeBigUInt64LE(BigInt(offsetBytes), 0);
  range.writeBigUInt64LE(BigInt(lengthBytes), 8);
  call({ syscall: what }, ioctlPointer, fd, request, range);
}

/** Discards a range of a block device. EOPNOTSUPP where the device cannot. */
export function blockDiscard(fd: number, offsetBytes: number, lengthBytes: number): void {
  rangeIoctl("discard", fd, BLKDISCARD, offsetBytes, lengthBytes);
}

/** Writes zeroes to a range of a block device, by its own command for that where it has one. */
export function blockZeroOut(fd: number, offsetBytes: number, lengthBytes: number): void {
  rangeIoctl("write zeroes", fd, BLKZEROOUT, offsetBytes, lengthBytes);
}

/** Writes out and drops what the kernel caches of a block device. */
export function flushBuffers(fd: number): void {
  fsyncSync(fd);
  call({ syscall: "flush the device's buffers" }, ioctlNumber, fd, BLKFLSBUF, 0);
}

/** Sets how far the kernel reads ahead on a block device, in 512-byte sectors. */
export function setReadAhead(fd: number, sectors: number): void {
  call({ syscall: "set read-ahead" }, ioctlNumber, fd, BLKRASET, sectors);
}

/** Lets a block device refuse writes, or take them, from whoever opens it from now on. */
export function setReadOnly(path: string, access: "read-only" | "read-write"): void {
  const fd = openSync(path, "r");
  try {
    const value = Buffer.alloc(4);
    value.writeInt32LE(access === "read-only" ? 1 : 0);
    call({ syscall: "set the access to", path }, ioctlPointer, fd, BLKROSET, value);
  } finally {
    closeSync(fd);
  }
}

/** As `blockDiscard`, on a worker thread: a large device takes a while. */
export async function blockDiscardAsync(fd: number, offsetBytes: number, lengthBytes: number): Promise<void> {
  const range = Buffer.alloc(16);
  range.writeBigUInt64LE(BigInt(offsetBytes), 0);
  range.writeBigUInt64LE(BigInt(lengthBytes), 8);
  await callAsync({ syscall: "discard" }, ioctlPointer, fd, BLKDISCARD, range);
}

/** What to write out of what is mounted from a device. */
export type SyncScope = "the device" | "the device and its file system";

/**
 * Writes out what the kernel caches of a block device or file, and waits for it.
 *
 * @param scope with its file system (BLKFLSBUF): also one that is mounted only in another mount namespace, or is being unmounted at this moment
 */
export async function syncDevice(path: string, scope: SyncScope = "the device"): Promise<void> {
  const file = await openFile(path, "r");
  try {
    if (scope !== "the device") {
      await callAsync({ syscall: "write out the file system on", path }, ioctlNumber, file.fd, BLKFLSBUF, 0);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
