import { indexKind } from "./block-kind.ts";
import { valueAt } from "./btree-node.ts";
import type { BTree } from "./btree.ts";
import { type IndexEntry, indexEntryWords, readIndexEntry, writeIndexEntry } from "./index-entry.ts";
import type { Transaction } from "./transaction.ts";

/** Bitmaps that the metadata space map's one index block has room for, and so the limit of a metadata device. */
export const mostMetadataBitmaps = 255;

/** 32-bit words before the entries of the index block. */
export const indexHeaderWords = 4;

/** Where a space map's bitmaps are: a B-tree for data, one block for metadata. */
export interface BitmapIndex {
  /** Metadata block of it, 0 before `create`. */
  readonly root: number;
  /** All entries, by bitmap number. */
  load(bitmaps: number): IndexEntry[];
  /** Makes it, if it is not there yet. */
  create(): void;
  set(bitmap: number, entry: IndexEntry): void;
}

/** The data space map's index: a B-tree of index entries. */
export class TreeIndex implements BitmapIndex {
  root: number;
  readonly #tree: BTree;

  constructor(tree: BTree, root: number) {
    this.#tree = tree;
    this.root = root;
  }

  load(bitmaps: number): IndexEntry[] {
    const entries: IndexEntry[] = [];
    this.#tree.visitLeaves(this.root, 0, bitmaps, (leaf, first, last) => {
      for (let entry = first; entry < last; entry++) entries.push(readIndexEntry(leaf, valueAt(leaf, entry)));
    });
    return entries;
  }

  create(): void {
    if (this.root === 0) this.root = this.#tree.create();
  }

  set(bitmap: number, entry: IndexEntry): void {
    this.root = this.#tree.slot(this.root, bitmap);
    writeIndexEntry(this.#tree.leaf.words, this.#tree.valueWord, entry);
  }
}

/** The metadata space map's index: one block (`struct disk_metadata_index`). */
export class BlockIndex implements BitmapIndex {
  root: number;
  readonly #transaction: Transaction;

  constructor(transaction: Transaction, root: number) {
    this.#transaction = transaction;
    this.root = root;
  }

  load(bitmaps: number): IndexEntry[] {
    const { words } = this.#transaction.read(this.root, indexKind);
    return Array.from({ length: bitmaps }, (_, i) => readIndexEntry(words, indexHeaderWords + i * indexEntryWords));
  }

  create(): void {
    if (this.root === 0) this.root = this.#transaction.create(indexKind).number;
  }

  set(bitmap: number, entry: IndexEntry): void {
    const block = this.#transaction.shadow(this.root, indexKind);
    this.root = block.number;
    writeIndexEntry(block.words, indexHeaderWords + bitmap * indexEntryWords, entry);
  }
}
