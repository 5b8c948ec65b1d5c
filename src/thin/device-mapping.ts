import type { Block } from "../persistent-data/block.ts";
import { keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { highWord, lowWord, mappedBlock, mappedTime } from "./block-time.ts";
import type { DeviceRecord } from "./device-record.ts";
import type { DeviceTable } from "./device-table.ts";
import { ThinError } from "./errors.ts";
import { chunkMappings, chunkShift, type ChunkOwner, type MappingChunks, unmappedWord } from "./mapping-chunks.ts";
import type { MetadataTrees } from "./metadata-trees.ts";

/** Virtual blocks that a device can have: with blocks of 64 KiB, 256 TiB. */
const mostVirtualBlocks = 2 ** 32;

/** A run of mapped blocks: virtual and data block numbers both ascend by one. */
export interface MappingRange {
  readonly virtualBlock: number;
  readonly dataBlock: number;
  readonly time: number;
  readonly blocks: number;
}

function continues(run: MappingRange, virtualBlock: number, dataBlock: number, time: number): boolean {
  const { blocks } = run;
  return virtualBlock === run.virtualBlock + blocks && dataBlock === run.dataBlock + blocks && time === run.time;
}

/** What a device's mapping shares with the pool that it is in. */
export interface MappingContext {
  readonly trees: MetadataTrees;
  readonly table: DeviceTable;
  readonly chunks: MappingChunks;
  /** The pool's time. */
  readonly time: number;
}

/** The block map of one open thin device. Units: pool blocks. Synchronous; `lookup` allocates nothing. */
export class DeviceMapping implements ChunkOwner {
  readonly id: number;
  /** Time of the mapping that `lookup` found last. */
  time = 0;
  readonly #context: MappingContext;
  #record: DeviceRecord | undefined;
  /** First word of each chunk in the shared memory, -1 where it is not there. */
  #directory = new Int32Array(16).fill(-1);
  #words: Uint32Array;
  /** The leaf of the last insertion: the next is likely to be in it too. */
  #leaf: Block | undefined;
  #leafEnd = 0;

  /** Made by ThinMetadata.openDevice. */
  constructor(context: MappingContext, record: DeviceRecord) {
    this.#context = context;
    this.#record = record;
    this.id = record.id;
    this.#words = context.chunks.words;
  }

  get mappedBlocks(): number {
    return this.#device.mappedBlocks;
  }

  get snapshottedTime(): number {
    return this.#device.snapshottedTime;
  }

  /** The data block that `virtualBlock` (below 2^32) is mapped to, -1 when unmapped. Sets `time`. */
  lookup(virtualBlock: number): number {
    const chunk = virtualBlock >>> chunkShift;
    let word = chunk < this.#directory.length ? this.#directory[chunk] : -1;
    if (word < 0) word = this.#fill(chunk);
    word += (virtualBlock & (chunkMappings - 1)) << 1;
    const high = this.#words[word + 1];
    if (high === unmappedWord) return -1;
    const low = this.#words[word];
    this.time = mappedTime(low);
    return mappedBlock(low, high);
  }

  /** Whether the mapping that `lookup` found last is shared with a snapshot: it is older than that. */
  isShared(): boolean {
    return this.time < this.#device.snapshottedTime;
  }

  /**
   * Maps `virtualBlock` to `dataBlock` (whose reference, from allocateDataBlock, passes to the mapping) at the pool's
   * time. The reference of the mapping replaced is dropped.
   * @returns the data block that was freed by that, -1 when none was
   */
  insert(virtualBlock: number, dataBlock: number): number {
    const { trees, table, time } = this.#context;
    const record = this.#device;
    const tree = trees.mappings;
    if (this.#leaf === undefined || !tree.slotIn(this.#leaf, this.#leafEnd, virtualBlock)) this.#findSlot(virtualBlock);
    const { words } = tree.leaf;
    const at = tree.valueWord;
    const replaced = tree.existed ? mappedBlock(words[at], words[at + 1]) : -1;
    words[at] = lowWord(dataBlock, time);
    words[at + 1] = highWord(dataBlock);
    this.#remember(virtualBlock, words[at], words[at + 1]);
    if (replaced >= 0) return trees.data.counts.decrement(replaced) === 0 ? replaced : -1;
    record.mappedBlocks++;
    table.touch(record);
    return -1;
  }

  /**
   * Unmaps `begin` (included) to `end` (excluded).
   * @param onFreed told each data block whose last reference went; it may be allocated again after the next commit
   * @returns how many blocks were mapped
   */
  remove(begin: number, end: number, onFreed?: (dataBlock: number) => void): number {
    const { trees, table } = this.#context;
    const record = this.#device;
    if (trees.mappings.lowestKeyFrom(record.root, begin) >= end) return 0;
    this.forgetLeaf();
    trees.transaction.spill();
    table.ownRoot(record);
    trees.onFreed = onFreed;
    try {
      record.root = trees.mappingsRemover.removeRange(record.root, begin, end);
    } finally {
      trees.onFreed = undefined;
    }
    const { removed } = trees.mappingsRemover;
    record.mappedBlocks -= removed;
    table.touch(record);
    this.#forgetRange(begin, end);
    return removed;
  }

  /** The first mapped virtual block from `begin` on, Infinity when there is none. */
  nextMapped(begin: number): number {
    return this.lookup(begin) >= 0 ? begin : this.#context.trees.mappings.lowestKeyFrom(this.#device.root, begin);
  }

  /** The first unmapped virtual block from `begin` on, or `end`, whichever comes first. */
  nextUnmapped(begin: number, end: number): number {
    let block = begin;
    while (block < end && this.lookup(block) >= 0) block++;
    return block;
  }

  /** The highest mapped virtual block, -1 when nothing is mapped. */
  highestMapped(): number {
    return this.#context.trees.mappings.highestKey(this.#device.root);
  }

  /** Every mapping from `begin` up to `end`, ascending, in runs. The device must not change meanwhile. */
  *mappings(begin = 0, end = Infinity): IterableIterator<MappingRange> {
    let run: (MappingRange & { blocks: number }) | undefined;
    for (const { words, first, last } of this.#context.trees.mappings.leaves(this.#device.root, begin, end)) {
      for (let entry = first; entry < last; entry++) {
        const virtualBlock = keyAt(words, entry);
        const at = valueAt(words, entry);
        const dataBlock = mappedBlock(words[at], words[at + 1]);
        const time = mappedTime(words[at]);
        if (run !== undefined && continues(run, virtualBlock, dataBlock, time)) {
          run.blocks++;
          continue;
        }
        if (run !== undefined) yield run;
        run = { virtualBlock, dataBlock, time, blocks: 1 };
      }
    }
    if (run !== undefined) yield run;
  }

  /** For ThinMetadata: the device's leaves may be shared from now on. */
  forgetLeaf(): void {
    this.#leaf = undefined;
  }

  /** For ThinMetadata: everything may have changed. `record` is undefined if there is no such device any more. */
  reset(record: DeviceRecord | undefined): void {
    this.#record = record;
    this.forgetLeaf();
    this.#directory.fill(-1);
    this.#context.chunks.release(this);
  }

  /** For MappingChunks. */
  loseChunk(chunk: number): void {
    this.#directory[chunk] = -1;
  }

  get #device(): DeviceRecord {
    if (this.#record !== undefined) return this.#record;
    throw new ThinError(
      "ENODATA",
      `Cannot use thin device ${this.id}: it is closed, or there is no such device any more`,
    );
  }

  /** Finds the place of a block by way of the root, and keeps the leaf in mind. */
  #findSlot(virtualBlock: number): void {
    if (!(virtualBlock >= 0 && virtualBlock < mostVirtualBlocks)) {
      throw new ThinError(
        "EINVAL",
        `Cannot map block ${virtualBlock} of thin device ${this.id}: a device has at most 2^32 blocks`,
      );
    }
    const { trees, table } = this.#context;
    const record = this.#device;
    trees.transaction.spill();
    table.ownRoot(record);
    record.root = trees.mappings.slot(record.root, virtualBlock);
    this.#leaf = trees.mappings.leaf;
    this.#leafEnd = trees.mappings.leafEnd;
  }

  /** Reads a chunk from the B-tree and returns its first word. */
  #fill(chunk: number): number {
    const { root } = this.#device;
    const { chunks, trees } = this.#context;
    if (chunk >= this.#directory.length) {
      const larger = new Int32Array(Math.max(chunk + 1, 2 * this.#directory.length)).fill(-1);
      larger.set(this.#directory);
      this.#directory = larger;
    }
    trees.transaction.cache.reclaim();
    const begin = chunk * chunkMappings;
    const word = chunks.claim(this, chunk);
    trees.mappings.visitLeaves(root, begin, begin + chunkMappings, (leaf, first, last) => {
      for (let entry = first, at = valueAt(leaf, first); entry < last; entry++, at += 2) {
        const to = word + 2 * (keyAt(leaf, entry) - begin);
        this.#words[to] = leaf[at];
        this.#words[to + 1] = leaf[at + 1];
      }
    });
    // Only now: an error above must not leave a chunk that looks unmapped.
    this.#directory[chunk] = word;
    return word;
  }

  /** Brings the chunk up to date, if it is in memory. */
  #remember(virtualBlock: number, low: number, high: number): void {
    const chunk = virtualBlock >>> chunkShift;
    if (chunk >= this.#directory.length || this.#directory[chunk] < 0) return;
    const word = this.#directory[chunk] + ((virtualBlock & (chunkMappings - 1)) << 1);
    this.#words[word] = low;
    this.#words[word + 1] = high;
  }

  #forgetRange(begin: number, end: number): void {
    const last = Math.min(this.#directory.length, Math.ceil(end / chunkMappings));
    for (let chunk = Math.floor(begin / chunkMappings); chunk < last; chunk++) {
      const word = this.#directory[chunk];
      if (word < 0) continue;
      const first = chunk * chunkMappings;
      const from = Math.max(begin, first) - first;
      const to = Math.min(end, first + chunkMappings) - first;
      this.#words.fill(unmappedWord, word + 2 * from, word + 2 * to);
    }
  }
}
