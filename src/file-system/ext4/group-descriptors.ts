import { FileSystemDamage } from "../file-system-error.ts";
import type { Ext4Blocks } from "./blocks.ts";
import { incompat } from "./features.ts";
import { type Ext4Superblock, superblockPosition } from "./superblock.ts";

/** Where each group's inodes are. (Documentation/filesystems/ext4/group_descr.rst) */
export class GroupDescriptors {
  private readonly superblock: Ext4Superblock;
  private readonly blocks: Ext4Blocks;

  constructor(superblock: Ext4Superblock, blocks: Ext4Blocks) {
    this.superblock = superblock;
    this.blocks = blocks;
  }

  /** The bytes of an inode on disk. @param of what refers to it */
  inodeBytes(number: number, of: string): Buffer {
    const { inodes, inodesPerGroup, inodeBytes, blockBytes } = this.superblock;
    if (number < 1 || number > inodes) {
      throw new FileSystemDamage(of, `it refers to inode ${number}; the file system has ${inodes} inodes`);
    }
    const group = Math.floor((number - 1) / inodesPerGroup);
    const position = ((number - 1) % inodesPerGroup) * inodeBytes;
    const where = `inode table of group ${group}`;
    const block = this.blocks.block(this.inodeTable(group) + Math.floor(position / blockBytes), where);
    return block.subarray(position % blockBytes, (position % blockBytes) + inodeBytes);
  }

  private inodeTable(group: number): number {
    const { descriptorBytes, blockBytes } = this.superblock;
    const perBlock = blockBytes / descriptorBytes;
    const table = this.blocks.block(this.descriptorBlock(Math.floor(group / perBlock)), "group descriptors");
    const at = (group % perBlock) * descriptorBytes;
    return table.readUInt32LE(at + 0x8) + (descriptorBytes >= 64 ? table.readUInt32LE(at + 0x28) * 2 ** 32 : 0);
  }

  /** The block that holds the n-th block of descriptors: behind the superblock, or (meta_bg) in the groups themselves. */
  private descriptorBlock(n: number): number {
    const { superblock } = this;
    const superblockAt = Math.floor(superblockPosition / superblock.blockBytes);
    if ((superblock.incompat & incompat.metaGroups) === 0 || n < superblock.firstMetaGroup) return superblockAt + 1 + n;
    const group = n * (superblock.blockBytes / superblock.descriptorBytes);
    const begin = superblock.firstDataBlock + group * superblock.blocksPerGroup;
    if (group === 0) return superblockAt + 1;
    return superblock.hasBackup(group) ? begin + 1 : begin;
  }
}
