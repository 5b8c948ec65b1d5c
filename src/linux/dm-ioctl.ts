import { closeSync, openSync } from "node:fs";
import { call, callAsync } from "./libc.ts";

/** The kernel's device mapper. */
export const controlDevice = "/dev/mapper/control";

// linux/dm-ioctl.h: _IOWR(0xfd, number, struct dm_ioctl of 312 bytes)
const HEADER_BYTES = 312;
const request = (number: number) => 0xc000_0000 + HEADER_BYTES * 0x1_0000 + 0xfd00 + number;
const DEV_SUSPEND = request(6);
const TARGET_MSG = request(14);
const DEV_ARM_POLL = request(16);
const SUSPEND_FLAG = 1 << 1;
const SKIP_LOCKFS_FLAG = 1 << 10;
const NOFLUSH_FLAG = 1 << 11;

/** Where the fields of struct dm_ioctl are. */
const field = { version: 0, dataSize: 12, dataStart: 16, flags: 28, name: 48 } as const;
const NAME_BYTES = 128;

/**
 * Suspends a device on a worker thread. libdevmapper has this call, but may be called on one thread only; and this waits for file
 * systems and I/O, for ever where a pool is full.
 *
 * @throws SystemError
 */
export async function suspendDevice(name: string, options: { noFlush: boolean; noLockFs: boolean }): Promise<void> {
  const flags = SUSPEND_FLAG | (options.noFlush ? NOFLUSH_FLAG : 0) | (options.noLockFs ? SKIP_LOCKFS_FLAG : 0);
  await control(DEV_SUSPEND, header(name, { bytes: HEADER_BYTES, flags }), { syscall: "suspend device", path: name });
}

/**
 * Sends a message on a worker thread, for the same reason: one that deletes a large device takes a while.
 *
 * @throws SystemError
 */
export async function messageDevice(name: string, message: string, sector = 0): Promise<void> {
  const text = Buffer.from(`${message}\0`);
  const structure = header(name, { bytes: HEADER_BYTES + 8 + text.length, flags: 0 });
  structure.writeBigUInt64LE(BigInt(sector), HEADER_BYTES);
  text.copy(structure, HEADER_BYTES + 8); // struct dm_target_msg: u64 sector, the message
  await control(TARGET_MSG, structure, { syscall: "message device", path: name });
}

/** From now on an event of any device makes this descriptor of the control device readable; those before it do not. */
export function armPoll(fd: number): void {
  const structure = header("", { bytes: HEADER_BYTES, flags: 0 });
  const where = { syscall: "wait for device-mapper events", path: controlDevice };
  call(where, "int ioctl(int, ulong, void *)", fd, DEV_ARM_POLL, structure);
}

function header(name: string, { bytes, flags }: { bytes: number; flags: number }): Buffer {
  const structure = Buffer.alloc(bytes);
  structure.writeUInt32LE(4, field.version);
  structure.writeUInt32LE(bytes, field.dataSize);
  structure.writeUInt32LE(HEADER_BYTES, field.dataStart);
  structure.writeUInt32LE(flags, field.flags);
  structure.write(name, field.name, NAME_BYTES - 1, "utf8");
  return structure;
}

async function control(number: number, structure: Buffer, where: { syscall: string; path: string }): Promise<void> {
  const fd = openSync(controlDevice, "r+");
  try {
    await callAsync(where, "int ioctl(int, ulong, void *)", fd, number, structure);
  } finally {
    closeSync(fd);
  }
}
