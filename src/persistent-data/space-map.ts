import { bitmapHeaderBytes, packCounts, seeTree, unpackBitmap } from "./bitmap-block.ts";
import type { BitmapIndex } from "./bitmap-index.ts";
import { bitmapKind } from "./block-kind.ts";
import { BTreeRemover } from "./btree-remove.ts";
import type { BTree } from "./btree.ts";
import { CountPage, entriesPerPage, isLargeByte } from "./count-page.ts";
import type { IndexEntry } from "./index-entry.ts";
import { MetadataError } from "./metadata-error.ts";
import { ReferenceCounts } from "./reference-counts.ts";
import type { SpaceMapRoot } from "./space-map-root.ts";
import type { Transaction } from "./transaction.ts";

/** The root of a space map that is still to be made. */
export const noSpaceMap: SpaceMapRoot = { blocks: 0, allocated: 0, bitmapRoot: 0, refCountRoot: 0 };

/**
 * A space map: reference counts in memory, and their durable form, which `write` brings up to date: bitmaps, the index
 * that finds them, and a tree of the counts that do not fit two bits.
 */
export class SpaceMap {
  readonly counts: ReferenceCounts;
  readonly #transaction: Transaction;
  readonly #index: BitmapIndex;
  readonly #largeCounts: BTree;
  readonly #remover: BTreeRemover;
  readonly #entries: IndexEntry[];
  /** Bitmaps from here on are still to be made. */
  #newBitmaps: number;
  #refCountRoot: number;

  /** @param largeCounts the B-trees of 4-byte values */
  constructor(transaction: Transaction, index: BitmapIndex, largeCounts: BTree, root: SpaceMapRoot) {
    this.#transaction = transaction;
    this.#index = index;
    this.#largeCounts = largeCounts;
    this.#remover = new BTreeRemover(largeCounts);
    this.#refCountRoot = root.refCountRoot;
    this.counts = new ReferenceCounts(
      { load: (page, entries) => this.#load(page, entries), mayHaveFree: (page) => this.#entries[page].free > 0 },
      root.blocks,
      root.allocated,
    );
    this.#newBitmaps = this.counts.pages;
    this.#entries = this.#newBitmaps === 0 ? [] : index.load(this.#newBitmaps);
    if (this.#entries.length === this.#newBitmaps) return;
    throw new MetadataError(
      "EILSEQ",
      `Cannot use the space map: its index at metadata block ${index.root} has ${this.#entries.length} bitmaps, not ${this.#newBitmaps}. Run thin_check and thin_repair.`,
      { block: index.root, kind: "index" },
    );
  }

  /** As it is to be written into the superblock. */
  get root(): SpaceMapRoot {
    return {
      blocks: this.counts.blocks,
      allocated: this.counts.allocated,
      bitmapRoot: this.#index.root,
      refCountRoot: this.#refCountRoot,
    };
  }

  /** Grows to so many blocks, all new ones free. */
  extend(blocks: number): void {
    const pages = Math.ceil(blocks / entriesPerPage);
    while (this.#entries.length < pages) this.#entries.push({ bitmap: 0, free: entriesPerPage, noneFreeBefore: 0 });
    this.counts.extend(blocks);
  }

  /**
   * Writes what changed into bitmaps, index and tree. The metadata's own counts change by that: its pages are written
   * until they come to rest, which they do because a block is shadowed only once a transaction.
   */
  write(): void {
    this.#index.create();
    if (this.#refCountRoot === 0) this.#refCountRoot = this.#largeCounts.create();
    this.#makeBitmaps();
    for (let again = true; again;) {
      again = false;
      // Pages that change meanwhile are visited too: a set iterates over what is added.
      for (const number of this.counts.dirtyPages) {
        const page = this.counts.page(number);
        if (!page.changed) continue;
        this.#writePage(number, page);
        again = true;
      }
    }
  }

  #load(number: number, entries: number): CountPage {
    if (number >= this.#newBitmaps) return new CountPage(entries);
    const { bitmap } = this.#entries[number];
    const { bytes } = this.#transaction.read(bitmap, bitmapKind);
    return unpackBitmap(bytes, entries, (entry) => {
      const block = number * entriesPerPage + entry;
      if (this.#largeCounts.find(this.#refCountRoot, block)) {
        return this.#largeCounts.leaf.words[this.#largeCounts.valueWord];
      }
      throw new MetadataError(
        "EILSEQ",
        `Cannot use bitmap at metadata block ${bitmap}: the reference count of block ${block} is missing from the tree. Run thin_check and thin_repair.`,
        { block: bitmap, kind: "bitmap" },
      );
    });
  }

  #makeBitmaps(): void {
    for (; this.#newBitmaps < this.#entries.length; this.#newBitmaps++) {
      const entry = this.#entries[this.#newBitmaps];
      entry.bitmap = this.#transaction.create(bitmapKind).number;
      this.#index.set(this.#newBitmaps, entry);
      this.#transaction.spill();
    }
  }

  #writePage(number: number, page: CountPage): void {
    const entry = this.#entries[number];
    const bitmap = this.#transaction.shadow(entry.bitmap, bitmapKind);
    entry.bitmap = bitmap.number;
    const { words, firstChanged, lastChanged } = page;
    const written = page.written!;
    // Whatever touches the page from here on asks for another round.
    page.settle();
    for (let word = firstChanged; word <= lastChanged; word++) {
      const now = words[word];
      const was = written[word];
      if (now === was) continue;
      written[word] = now;
      bitmap.bytes[bitmapHeaderBytes + word] = packCounts(now);
      for (let i = 0; i < 4; i++) {
        const byte = (now >>> (8 * i)) & 255;
        const old = (was >>> (8 * i)) & 255;
        if (byte !== old && (isLargeByte(byte) || isLargeByte(old))) this.#writeLargeCount(number, page, 4 * word + i);
      }
    }
    for (const changed of page.changedLarge) {
      page.changedLarge.delete(changed);
      this.#writeLargeCount(number, page, changed);
    }
    entry.free = entriesPerPage - page.used;
    entry.noneFreeBefore = page.noneFreeBefore;
    this.#index.set(number, entry);
  }

  #writeLargeCount(number: number, page: CountPage, entry: number): void {
    const block = number * entriesPerPage + entry;
    const count = page.get(entry);
    if (count < seeTree) {
      this.#refCountRoot = this.#remover.removeRange(this.#refCountRoot, block, block + 1);
      return;
    }
    this.#refCountRoot = this.#largeCounts.slot(this.#refCountRoot, block);
    this.#largeCounts.leaf.words[this.#largeCounts.valueWord] = count;
  }
}
