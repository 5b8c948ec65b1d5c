import { childAt, entryCount, isLeaf, valueAt } from "../persistent-data/btree-node.ts";
import { mappedBlock } from "../thin/block-time.ts";
import type { DeviceDetails } from "../thin/device-record.ts";
import type { ThinMetadata } from "../thin/metadata.ts";
import { mappingWords, type MetadataTrees } from "../thin/metadata-trees.ts";

/** A device, and how many of its blocks nobody else has. */
export interface DeviceUsage extends DeviceDetails {
  /** Data blocks that would be free if the device were deleted. */
  readonly exclusiveBlocks: number;
}

/**
 * What each device maps, and what it holds alone, uncommitted changes included. Only nodes that a device has to itself
 * are read: below a shared node everything is shared, so the cost is that of what is exclusive.
 */
export function usage(metadata: ThinMetadata): DeviceUsage[] {
  const { trees } = metadata;
  return [...metadata.details()].map((details) => ({
    id: details.id,
    mappedBlocks: details.mappedBlocks,
    transactionId: details.transactionId,
    creationTime: details.creationTime,
    snapshottedTime: details.snapshottedTime,
    exclusiveBlocks: exclusiveBelow(trees, metadata.mappingRootOf(details.id)),
  }));
}

function exclusiveBelow(trees: MetadataTrees, node: number): number {
  if (trees.transaction.counts.get(node) > 1) return 0;
  const { words } = trees.mappings.node(node);
  const count = entryCount(words);
  let exclusive = 0;
  if (!isLeaf(words)) {
    for (let entry = 0; entry < count; entry++) exclusive += exclusiveBelow(trees, childAt(words, entry));
    return exclusive;
  }
  for (let at = valueAt(words, 0), end = valueAt(words, count); at < end; at += mappingWords) {
    if (trees.data.counts.get(mappedBlock(words[at], words[at + 1])) === 1) exclusive++;
  }
  return exclusive;
}
