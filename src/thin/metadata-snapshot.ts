import { superblockKind } from "../persistent-data/block-kind.ts";
import type { Block } from "../persistent-data/block.ts";
import type { MetadataTrees } from "./metadata-trees.ts";
import { readSuperblock, wipeSpaceMapRoots, writeSuperblock } from "./superblock.ts";

/**
 * Holds on to the committed state, for programs that read it while the pool goes on: a copy of the superblock, without
 * space maps, with references to both trees.
 * @returns the metadata block of the copy
 */
export function takeMetadataSnapshot(trees: MetadataTrees, committed: Block): number {
  const { transaction } = trees;
  const superblock = readSuperblock(committed);
  const copy = transaction.create(superblockKind);
  copy.words.set(committed.words);
  writeSuperblock(copy, { ...superblock, heldRoot: 0 });
  wipeSpaceMapRoots(copy);
  transaction.increment(superblock.mappingRoot);
  transaction.increment(superblock.detailsRoot);
  return copy.number;
}

/** Lets go of what `takeMetadataSnapshot` held. */
export function dropMetadataSnapshot(trees: MetadataTrees, heldRoot: number): void {
  const copy = trees.transaction.read(heldRoot, superblockKind);
  const { mappingRoot, detailsRoot } = readSuperblock(copy);
  trees.devicesRemover.free(mappingRoot);
  trees.detailsRemover.free(detailsRoot);
  trees.transaction.decrement(heldRoot);
}
