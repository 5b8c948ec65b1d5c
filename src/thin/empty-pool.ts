import type { BlockCache } from "../persistent-data/block-cache.ts";
import { noSpaceMap } from "../persistent-data/space-map.ts";
import { ThinError } from "./errors.ts";
import { type MetadataTrees, openTrees } from "./metadata-trees.ts";
import { type Superblock, superblockLocation } from "./superblock.ts";

/** Version of the format that is written. */
const version = 2;

/** Fewer metadata blocks than this cannot hold even an empty pool and one change to it. */
const leastMetadataBlocks = 32;

/** What to format a pool's metadata for. */
export interface FormatOptions {
  /** Sectors of 512 bytes a data block. */
  readonly dataBlockSize: number;
  readonly dataBlocks: number;
}

/** Makes the trees and the superblock of a pool that has no device yet. They are in memory until they are committed. */
export function emptyPool(
  cache: BlockCache,
  metadataBlocks: number,
  { dataBlockSize, dataBlocks }: FormatOptions,
): { trees: MetadataTrees; superblock: Superblock } {
  if (metadataBlocks < leastMetadataBlocks) {
    // The kernel's errors: a device of one block has room for no space map at all.
    throw new ThinError(
      metadataBlocks > 1 ? "ENOSPC" : "EINVAL",
      `Cannot format the pool's metadata: the device has ${metadataBlocks} blocks of 4 KiB, and ${leastMetadataBlocks} are the least`,
    );
  }
  const trees = openTrees(cache, { metadata: noSpaceMap, data: noSpaceMap });
  trees.metadata.extend(metadataBlocks);
  trees.data.extend(dataBlocks);
  trees.transaction.increment(superblockLocation);
  const superblock: Superblock = {
    needsCheck: false,
    version,
    time: 0,
    transactionId: 0,
    heldRoot: 0,
    dataSpaceMap: noSpaceMap,
    metadataSpaceMap: noSpaceMap,
    mappingRoot: trees.devices.create(),
    detailsRoot: trees.details.create(),
    dataBlockSizeSectors: dataBlockSize,
    metadataBlocks,
  };
  return { trees, superblock };
}
