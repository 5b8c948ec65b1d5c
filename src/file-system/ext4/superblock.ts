import { FileSystemDamage, UnsupportedFileSystem } from "../file-system-error.ts";
import { compat, incompat, readOnlyCompat, refuseUnreadable } from "./features.ts";

/** Where the superblock is, whatever the block size. */
export const superblockPosition = 1024;
export const superblockBytes = 1024;

const magic = 0xef53;
const largestLogBlock = 6;
const smallestInode = 128;

/** The fields of an ext2, ext3 or ext4 superblock that reading needs. (Documentation/filesystems/ext4/super.rst) */
export interface Ext4Superblock {
  inodes: number;
  blocks: number;
  /** The block that group 0 begins with: 1 with blocks of 1 KiB, else 0. */
  firstDataBlock: number;
  blockBytes: number;
  blocksPerGroup: number;
  inodesPerGroup: number;
  inodeBytes: number;
  incompat: number;
  readOnlyCompat: number;
  /** 0 when there is none, or it is on another device. */
  journalInode: number;
  descriptorBytes: number;
  /** The first group of descriptors that lies in its own groups (meta_bg). */
  firstMetaGroup: number;
  /** Whether a journal is to be replayed first. */
  needsRecovery: boolean;
  /** Whether a group begins with a copy of the superblock. */
  hasBackup(group: number): boolean;
}

/**
 * Reads the superblock.
 *
 * @throws UnsupportedFileSystem when it is none, or of a file system that cannot be read; FileSystemDamage on nonsense
 */
export function parseSuperblock(bytes: Buffer): Ext4Superblock {
  if (bytes.readUInt16LE(0x38) !== magic) {
    throw new UnsupportedFileSystem("Cannot read the file system: it is no ext4 (nor ext3 or ext2) file system");
  }
  const revision = bytes.readUInt32LE(0x4c);
  const dynamic = revision > 0;
  const incompatFeatures = dynamic ? bytes.readUInt32LE(0x60) : 0;
  refuseUnreadable(incompatFeatures);
  const bits64 = (incompatFeatures & incompat.bits64) !== 0;
  const logBlock = bytes.readUInt32LE(0x18);
  if (logBlock > largestLogBlock) throw damaged(`its block size is 2^${10 + logBlock}`);
  const superblock: Ext4Superblock = {
    inodes: bytes.readUInt32LE(0x0),
    blocks: bytes.readUInt32LE(0x4) + (bits64 ? bytes.readUInt32LE(0x150) * 2 ** 32 : 0),
    firstDataBlock: bytes.readUInt32LE(0x14),
    blockBytes: 1024 << logBlock,
    blocksPerGroup: bytes.readUInt32LE(0x20),
    inodesPerGroup: bytes.readUInt32LE(0x28),
    inodeBytes: dynamic ? bytes.readUInt16LE(0x58) : smallestInode,
    incompat: incompatFeatures,
    readOnlyCompat: dynamic ? bytes.readUInt32LE(0x64) : 0,
    journalInode: bytes.readUInt32LE(0xe0),
    descriptorBytes: bits64 ? bytes.readUInt16LE(0xfe) : 32,
    firstMetaGroup: bytes.readUInt32LE(0x104),
    needsRecovery: (incompatFeatures & incompat.recover) !== 0,
    hasBackup: backupsOf(bytes),
  };
  const fault = superblockFault(superblock);
  if (fault !== undefined) throw damaged(fault);
  return superblock;
}

/** In which groups the backups are: two that are named, powers of 3, 5 and 7, or all. */
function backupsOf(bytes: Buffer): (group: number) => boolean {
  if ((bytes.readUInt32LE(0x5c) & compat.sparseSuperblocks2) !== 0) {
    const named = [0, bytes.readUInt32LE(0x24c), bytes.readUInt32LE(0x250)];
    return (group) => named.includes(group);
  }
  if ((bytes.readUInt32LE(0x64) & readOnlyCompat.sparseSuperblocks) === 0) return () => true;
  return (group) => group <= 1 || [3, 5, 7].some((base) => isPowerOf(base, group));
}

function isPowerOf(base: number, number: number): boolean {
  let power = base;
  while (power < number) power *= base;
  return power === number;
}

function superblockFault(superblock: Ext4Superblock): string | undefined {
  const { inodeBytes, blockBytes, descriptorBytes, blocks, inodes, firstDataBlock } = superblock;
  if (inodeBytes < smallestInode || inodeBytes > blockBytes || !isPowerOfTwo(inodeBytes)) {
    return `its inodes have ${inodeBytes} bytes`;
  }
  if (descriptorBytes < 32 || descriptorBytes > blockBytes || !isPowerOfTwo(descriptorBytes)) {
    return `its group descriptors have ${descriptorBytes} bytes`;
  }
  const bitmapBits = 8 * blockBytes;
  const clusters = (superblock.readOnlyCompat & readOnlyCompat.bigAllocation) !== 0;
  if (superblock.blocksPerGroup === 0 || (!clusters && superblock.blocksPerGroup > bitmapBits)) {
    return `its groups have ${superblock.blocksPerGroup} blocks`;
  }
  if (superblock.inodesPerGroup === 0 || superblock.inodesPerGroup > bitmapBits) {
    return `its groups have ${superblock.inodesPerGroup} inodes`;
  }
  if (firstDataBlock >= blocks) return `it has ${blocks} blocks, the first of them ${firstDataBlock}`;
  const groups = groupCount(superblock);
  if (inodes > groups * superblock.inodesPerGroup)
    return `it has ${inodes} inodes, more than its ${groups} groups hold`;
  return undefined;
}

/** How many block groups there are. */
export function groupCount({ blocks, firstDataBlock, blocksPerGroup }: Ext4Superblock): number {
  return Math.ceil((blocks - firstDataBlock) / blocksPerGroup);
}

function isPowerOfTwo(number: number): boolean {
  return number > 0 && (number & (number - 1)) === 0;
}

function damaged(fault: string): FileSystemDamage {
  return new FileSystemDamage("ext4 superblock", fault);
}
