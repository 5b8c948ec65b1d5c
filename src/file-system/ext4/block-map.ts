import type { Ext4Blocks } from "./blocks.ts";
import { ExtentMap } from "./extent-map.ts";
import { IndirectMap } from "./indirect-map.ts";
import { inodeFlags, type Ext4Inode } from "./inode.ts";

/** Where consecutive blocks of a file are. */
export interface BlockRun {
  /** The first block; undefined where they read as zeroes. */
  readonly physical: number | undefined;
  /** How many blocks, at least 1. */
  readonly blocks: number;
}

/** Finds where a file's content is. Each look-up reads a bounded number of blocks, whatever they hold. */
export interface BlockMap {
  /** @param block counted from the beginning of the file, below 2^32 */
  find(block: number): BlockRun;
}

/** The map that an inode has: an extent tree, or ext2's blocks of block numbers. */
export function blockMapOf(inode: Ext4Inode, blocks: Ext4Blocks): BlockMap {
  return (inode.flags & inodeFlags.extents) !== 0 ? new ExtentMap(inode, blocks) : new IndirectMap(inode, blocks);
}
