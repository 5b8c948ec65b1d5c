import { BlockCache } from "../persistent-data/block-cache.ts";
import type { BlockFile } from "../persistent-data/block-file.ts";
import { superblockKind } from "../persistent-data/block-kind.ts";
import { BTree } from "../persistent-data/btree.ts";
import { keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { Transaction } from "../persistent-data/transaction.ts";
import { readU64 } from "../persistent-data/u64.ts";
import { mappedBlock, mappedTime } from "./block-time.ts";
import { type DeviceDetails, deviceDetailsWords, readDetails } from "./device-record.ts";
import { ThinError } from "./errors.ts";
import { mappingWords, rootWords } from "./metadata-trees.ts";
import { readSuperblock, type Superblock, superblockLocation, verifySuperblock } from "./superblock.ts";

/** A mapping of a virtual block. */
export interface Mapping {
  readonly dataBlock: number;
  /** The pool's time when it was made. */
  readonly time: number;
}

/**
 * The thin devices of a pool as one superblock has them, which may be a metadata snapshot's: for reading only, without space maps.
 * Nothing that the superblock reaches may change meanwhile.
 */
export class MetadataView {
  readonly superblock: Superblock;
  /** As ThinMetadata has them, so that the same tools read both. */
  readonly trees: { readonly mappings: BTree };
  readonly #devices: BTree;
  readonly #details: BTree;

  /**
   * @param location the superblock's: 0, or the root of a metadata snapshot
   * @throws MetadataError naming what is damaged
   */
  constructor(file: BlockFile, location = superblockLocation) {
    const transaction = new Transaction(new BlockCache(file));
    const block = transaction.read(location, superblockKind);
    verifySuperblock(block, true);
    this.superblock = readSuperblock(block);
    this.trees = { mappings: new BTree(transaction, { words: mappingWords }) };
    this.#devices = new BTree(transaction, { words: rootWords });
    this.#details = new BTree(transaction, { words: deviceDetailsWords });
  }

  /** All devices by ascending id. */
  *details(): IterableIterator<DeviceDetails> {
    for (const { words, first, last } of this.#details.leaves(this.superblock.detailsRoot, 0, Infinity)) {
      for (let entry = first; entry < last; entry++)
        yield readDetails(words, valueAt(words, entry), keyAt(words, entry));
    }
  }

  /** @throws ThinError ENODATA when there is no such device */
  mappingRootOf(id: number): number {
    if (!this.#devices.find(this.superblock.mappingRoot, id)) {
      throw new ThinError("ENODATA", `Cannot find thin device ${id}: the pool has none of that id`);
    }
    return readU64(this.#devices.leaf.words, this.#devices.valueWord);
  }

  /** Where a virtual block is; undefined where nothing is mapped. @throws ThinError ENODATA */
  lookup(id: number, virtualBlock: number): Mapping | undefined {
    const { mappings } = this.trees;
    if (!mappings.find(this.mappingRootOf(id), virtualBlock)) return undefined;
    const [low, high] = mappings.leaf.words.subarray(mappings.valueWord, mappings.valueWord + mappingWords);
    return { dataBlock: mappedBlock(low, high), time: mappedTime(low) };
  }
}
