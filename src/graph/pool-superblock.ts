import { closeSync, openSync, readSync } from "node:fs";

/**
 * The block size a pool was made with, out of its metadata's superblock (thin metadata format: magic at byte 32, data block
 * size in sectors at byte 336).
 *
 * @param metadataPath file or block device
 * @returns bytes, or undefined where there is no pool yet
 */
export function storedBlockSizeBytes(metadataPath: string): number | undefined {
  const superblock = Buffer.alloc(512);
  const fd = openSync(metadataPath, "r");
  try {
    readSync(fd, superblock, 0, superblock.length, 0);
  } finally {
    closeSync(fd);
  }
  return superblock.readBigUInt64LE(32) === 27022010n ? superblock.readUInt32LE(336) * 512 : undefined;
}
