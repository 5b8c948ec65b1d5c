import { BlockCache } from "../persistent-data/block-cache.ts";
import type { BlockFile } from "../persistent-data/block-file.ts";
import { blockBytes } from "../persistent-data/block.ts";
import { BTreeBuilder } from "../persistent-data/btree-builder.ts";
import { btreeNodeKind, entryCount, keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { entriesPerPage } from "../persistent-data/count-page.ts";
import { mostMetadataBlocks } from "../persistent-data/metadata-limit.ts";
import { highWord, largestTime, lowWord, mappedBlock } from "../thin/block-time.ts";
import type { DeviceDetails } from "../thin/device-record.ts";
import { DeviceTable } from "../thin/device-table.ts";
import { emptyPool } from "../thin/empty-pool.ts";
import { ThinError } from "../thin/errors.ts";
import { mappingWords, type MetadataTrees } from "../thin/metadata-trees.ts";
import { type Superblock, superblockLocation } from "../thin/superblock.ts";
import { SuperblockStore } from "../thin/superblock-store.ts";
import type { PoolDescription, PoolSink } from "./dump.ts";

/** Thin device ids have 24 bits. */
const mostDevices = 2 ** 24;

/** Mappings put into a tree one by one between two chances to write blocks early. */
const mappingsBetweenSpills = 1000;

/** The mapping tree of a device under way: built from its leaves while keys ascend, and added to key by key after that. */
interface TreeUnderWay {
  readonly details: DeviceDetails;
  readonly builder: BTreeBuilder;
  /** Once a key came out of order. */
  root: number | undefined;
  lastKey: number;
  mappedBlocks: number;
}

/**
 * Writes a pool's metadata from a description of it: trees without gaps, and space maps that count what is there. Until `endPool` returns,
 * the metadata has no superblock, so that nobody takes half of a pool for a whole one.
 */
export class PoolBuilder implements PoolSink {
  readonly #file: BlockFile;
  readonly #cache: BlockCache;
  #trees!: MetadataTrees;
  #superblock: Superblock | undefined;
  #table!: DeviceTable;
  #device: TreeUnderWay | undefined;
  #mappings = 0;
  /** Leaves that devices may share, by the block that they were read from. */
  readonly #leaves = new Map<number, number>();

  /** @param file of which all but its size is lost */
  constructor(file: BlockFile) {
    this.#file = file;
    this.#cache = new BlockCache(file);
  }

  /** @throws ThinError EINVAL when the device is too small */
  beginPool(pool: PoolDescription): void {
    if (this.#superblock !== undefined) throw invalid("it has more than one superblock");
    const blocks = Math.min(this.#file.sizeBlocks(), mostMetadataBlocks);
    if (pool.dataBlocks > blocks * entriesPerPage) {
      throw invalid(`${blocks} blocks of metadata are too few to count ${pool.dataBlocks} data blocks. Make it larger`);
    }
    this.#file.write(superblockLocation, [new Uint8Array(blockBytes)]);
    this.#file.flush();
    const { dataBlockSize, dataBlocks } = pool;
    const { trees, superblock } = emptyPool(this.#cache, blocks, { dataBlockSize, dataBlocks });
    this.#trees = trees;
    this.#superblock = {
      ...superblock,
      time: pool.time,
      transactionId: pool.transactionId,
      version: pool.version,
      needsCheck: (pool.flags & 1) !== 0,
    };
    this.#table = new DeviceTable(trees, superblock);
  }

  beginDevice(details: DeviceDetails): void {
    if (this.#superblock === undefined) throw invalid("a device comes before the superblock");
    if (this.#device !== undefined) throw invalid(`device ${details.id} is within another`);
    if (details.id >= mostDevices) throw invalid(`there is a device ${details.id}: ids go to ${mostDevices - 1}`);
    if (this.#table.get(details.id) !== undefined) throw invalid(`device ${details.id} is there twice`);
    const builder = new BTreeBuilder(this.#trees.transaction, mappingWords);
    this.#device = { details, builder, root: undefined, lastKey: -1, mappedBlocks: 0 };
  }

  map(virtualBlock: number, dataBlock: number, time: number, length: number): void {
    const device = this.#device;
    if (device === undefined) throw invalid("a mapping is outside of a device");
    const { counts } = this.#trees.data;
    this.#requireData(device.details, dataBlock, length);
    if (time > largestTime) throw invalid(`device ${device.details.id} has a mapping of time ${time}`);
    for (let i = 0; i < length; i++) {
      counts.increment(dataBlock + i);
      const key = virtualBlock + i;
      if (device.root === undefined && key > device.lastKey) {
        const leaf = device.builder.add(key);
        this.#write(leaf, device.builder.valueWord, dataBlock + i, time);
        device.lastKey = key;
        device.mappedBlocks++;
      } else this.#insert(device, key, dataBlock + i, time);
      if (++this.#mappings % mappingsBetweenSpills === 0) this.#trees.transaction.spill();
    }
  }

  leaf(block: number, words: Uint32Array): void {
    const device = this.#device!;
    const { transaction } = this.#trees;
    let copy = this.#leaves.get(block);
    if (copy !== undefined) transaction.increment(copy);
    else {
      copy = this.#copyLeaf(device.details, words);
      this.#leaves.set(block, copy);
      transaction.spill();
    }
    device.builder.addLeaf(keyAt(words, 0), copy);
    device.mappedBlocks += entryCount(words);
  }

  endDevice(): void {
    const { details, builder, root, mappedBlocks } = this.#device!;
    this.#device = undefined;
    this.#table.add({ ...details, mappedBlocks, root: root ?? builder.finish() });
    this.#trees.transaction.spill();
  }

  /** Writes what is left, and then the superblock. */
  endPool(): void {
    if (this.#superblock === undefined) throw invalid("it has no superblock");
    const { data, metadata } = this.#trees;
    data.write();
    metadata.write();
    this.#cache.writeDirty();
    this.#file.flush();
    new SuperblockStore(this.#file).write({
      ...this.#superblock,
      dataSpaceMap: data.root,
      metadataSpaceMap: metadata.root,
      mappingRoot: this.#table.mappingRoot,
      detailsRoot: this.#table.detailsRoot,
    });
  }

  /** Writes a leaf, and counts what it maps to. @returns its block */
  #copyLeaf(details: DeviceDetails, words: Uint32Array): number {
    const { transaction, data } = this.#trees;
    const count = entryCount(words);
    for (let entry = 0, at = valueAt(words, 0); entry < count; entry++, at += mappingWords) {
      const dataBlock = mappedBlock(words[at], words[at + 1]);
      this.#requireData(details, dataBlock, 1);
      data.counts.increment(dataBlock);
    }
    const copy = transaction.create(btreeNodeKind);
    copy.words.set(words);
    return copy.number;
  }

  /** Puts a mapping where it belongs among those that came before. One of the same block is replaced. */
  #insert(device: TreeUnderWay, key: number, dataBlock: number, time: number): void {
    const { mappings, data } = this.#trees;
    device.root = mappings.slot(device.root ?? device.builder.finish(), key);
    const { words } = mappings.leaf;
    const at = mappings.valueWord;
    if (mappings.existed) data.counts.decrement(mappedBlock(words[at], words[at + 1]));
    else device.mappedBlocks++;
    this.#write(words, at, dataBlock, time);
  }

  #requireData({ id }: DeviceDetails, dataBlock: number, length: number): void {
    const { blocks } = this.#trees.data.counts;
    if (dataBlock + length <= blocks) return;
    throw invalid(`device ${id} maps to data block ${dataBlock + length - 1}; the pool has ${blocks} blocks`);
  }

  #write(words: Uint32Array, at: number, dataBlock: number, time: number): void {
    words[at] = lowWord(dataBlock, time);
    words[at + 1] = highWord(dataBlock);
  }
}

function invalid(why: string): ThinError {
  return new ThinError("EINVAL", `Cannot restore the metadata: ${why}`);
}
