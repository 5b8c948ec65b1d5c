import { closeSync, openSync, readSync } from "node:fs";
import type { FileSystemType } from "../options/storage-options.ts";

/** What a file system's superblock says. */
export interface FileSystemFacts {
  type: FileSystemType;
  /** With dashes, in lower case. */
  uuid: string;
  sizeBytes: number;
  /** ext4: a check is due after some mounts or days. */
  periodicCheck: boolean;
}

/** So much of a device's beginning has either superblock in it. */
export const superblockBytes = 4096;

/**
 * Reads the superblock of a device or file.
 *
 * @returns undefined for any other contents
 */
export function readFileSystem(device: string): FileSystemFacts | undefined {
  const start = Buffer.alloc(superblockBytes);
  const fd = openSync(device, "r");
  try {
    readSync(fd, start, 0, start.length, 0);
  } finally {
    closeSync(fd);
  }
  return parseFileSystem(start);
}

/**
 * Reads the superblock at a device's beginning: ext4's at byte 1024 (Linux `Documentation/filesystems/ext4/super.rst`), XFS's at byte 0
 * (XFS Algorithms & Data Structures).
 *
 * @returns undefined for any other contents
 */
export function parseFileSystem(start: Buffer): FileSystemFacts | undefined {
  if (start.toString("latin1", 0, 4) === "XFSB") {
    return {
      type: "xfs",
      uuid: uuidText(start.subarray(32, 48)),
      sizeBytes: start.readUInt32BE(4) * Number(start.readBigUInt64BE(8)),
      periodicCheck: false,
    };
  }
  const ext = start.subarray(1024, 2048);
  if (ext.readUInt16LE(0x38) !== 0xef53) return undefined;
  const has64Bit = (ext.readUInt32LE(0x60) & 0x80) !== 0;
  const blocks = ext.readUInt32LE(4) + (has64Bit ? ext.readUInt32LE(0x150) * 2 ** 32 : 0);
  return {
    type: "ext4",
    uuid: uuidText(ext.subarray(0x68, 0x78)),
    sizeBytes: blocks * (1024 << ext.readUInt32LE(0x18)),
    periodicCheck: ext.readInt16LE(0x36) > 0 || ext.readUInt32LE(0x44) > 0,
  };
}

function uuidText(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
