import { BlockIndex, TreeIndex } from "../persistent-data/bitmap-index.ts";
import type { BlockCache } from "../persistent-data/block-cache.ts";
import { valueAt } from "../persistent-data/btree-node.ts";
import { BTreeRemover } from "../persistent-data/btree-remove.ts";
import { BTree } from "../persistent-data/btree.ts";
import { indexEntryWords } from "../persistent-data/index-entry.ts";
import { SpaceMap } from "../persistent-data/space-map.ts";
import type { SpaceMapRoot } from "../persistent-data/space-map-root.ts";
import { Transaction } from "../persistent-data/transaction.ts";
import { readU64 } from "../persistent-data/u64.ts";
import { mappedBlock } from "./block-time.ts";
import { deviceDetailsWords } from "./device-record.ts";

/** The trees and space maps of a pool, and how they refer to each other. */
export interface MetadataTrees {
  readonly transaction: Transaction;
  readonly metadata: SpaceMap;
  readonly data: SpaceMap;
  /** Device id → root of a tree in `mappings`. */
  readonly devices: BTree;
  readonly devicesRemover: BTreeRemover;
  /** Virtual block → data block and time. */
  readonly mappings: BTree;
  readonly mappingsRemover: BTreeRemover;
  readonly details: BTree;
  readonly detailsRemover: BTreeRemover;
  /** Told each data block whose last reference goes. */
  onFreed: ((dataBlock: number) => void) | undefined;
}

/** 32-bit words of a value in the tree of large reference counts, in a root's number, and in a mapping. */
export const refCountWords = 1;
export const rootWords = 2;
export const mappingWords = 2;

/** Opens the trees that the roots name. */
export function openTrees(cache: BlockCache, roots: { metadata: SpaceMapRoot; data: SpaceMapRoot }): MetadataTrees {
  const transaction = new Transaction(cache);
  const metadata = new SpaceMap(
    transaction,
    new BlockIndex(transaction, roots.metadata.bitmapRoot),
    new BTree(transaction, { words: refCountWords }),
    roots.metadata,
  );
  transaction.counts = metadata.counts;
  // All at once: pages must not be read while the tree that they depend on changes.
  for (let page = 0; page < metadata.counts.pages; page++) metadata.counts.page(page);

  const data = new SpaceMap(
    transaction,
    new TreeIndex(new BTree(transaction, { words: indexEntryWords }), roots.data.bitmapRoot),
    new BTree(transaction, { words: refCountWords }),
    roots.data,
  );

  const mappings = new BTree(transaction, {
    words: mappingWords,
    increment(leaf, begin, end) {
      for (let at = valueAt(leaf, begin), stop = valueAt(leaf, end); at < stop; at += mappingWords) {
        data.counts.increment(mappedBlock(leaf[at], leaf[at + 1]));
      }
    },
    decrement(leaf, begin, end) {
      for (let at = valueAt(leaf, begin), stop = valueAt(leaf, end); at < stop; at += mappingWords) {
        const block = mappedBlock(leaf[at], leaf[at + 1]);
        if (data.counts.decrement(block) === 0) trees.onFreed?.(block);
      }
    },
  });
  const mappingsRemover = new BTreeRemover(mappings);

  const devices = new BTree(transaction, {
    words: rootWords,
    increment(leaf, begin, end) {
      for (let entry = begin; entry < end; entry++) transaction.increment(readU64(leaf, valueAt(leaf, entry)));
    },
    decrement(leaf, begin, end) {
      for (let entry = begin; entry < end; entry++) mappingsRemover.free(readU64(leaf, valueAt(leaf, entry)));
    },
  });
  const details = new BTree(transaction, { words: deviceDetailsWords });

  const trees: MetadataTrees = {
    transaction,
    metadata,
    data,
    devices,
    devicesRemover: new BTreeRemover(devices),
    mappings,
    mappingsRemover,
    details,
    detailsRemover: new BTreeRemover(details),
    onFreed: undefined,
  };
  return trees;
}
