import { readU64, writeU64 } from "./u64.ts";

/** The 32 bytes in the superblock that describe a space map (`struct disk_sm_root`). */
export interface SpaceMapRoot {
  blocks: number;
  allocated: number;
  /** The index: a B-tree's root (data) or the index block (metadata). */
  bitmapRoot: number;
  /** Root of the tree of counts above 2. */
  refCountRoot: number;
}

/** Reads the root at the 32-bit word `at`. */
export function readSpaceMapRoot(words: Uint32Array, at: number): SpaceMapRoot {
  return {
    blocks: readU64(words, at),
    allocated: readU64(words, at + 2),
    bitmapRoot: readU64(words, at + 4),
    refCountRoot: readU64(words, at + 6),
  };
}

/** Writes the root at the 32-bit word `at`. */
export function writeSpaceMapRoot(words: Uint32Array, at: number, root: SpaceMapRoot): void {
  writeU64(words, at, root.blocks);
  writeU64(words, at + 2, root.allocated);
  writeU64(words, at + 4, root.bitmapRoot);
  writeU64(words, at + 6, root.refCountRoot);
}
