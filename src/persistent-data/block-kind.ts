import type { BlockKindName } from "./metadata-error.ts";

/** How one kind of metadata block is sealed. */
export interface BlockKind {
  readonly name: BlockKindName;
  /** XORed into the checksum, so that a block of one kind is never taken for another. */
  readonly salt: number;
  /** What is wrong with a block whose checksum and number are right, if anything. */
  readonly fault?: (words: Uint32Array) => string | undefined;
}

/** Block 0, and its copy in a metadata snapshot. Salt: dm-thin-metadata.c. */
export const superblockKind: BlockKind = { name: "superblock", salt: 160774 };

/** 16320 two-bit reference counts. Salt: dm-space-map-common.c. */
export const bitmapKind: BlockKind = { name: "bitmap", salt: 240779 };

/** The metadata space map's index of bitmaps. Salt: dm-space-map-common.c. */
export const indexKind: BlockKind = { name: "index", salt: 160478 };
