import { blockBytes } from "./block.ts";
import {
  btreeNodeKind,
  childAt,
  distribute,
  entryCount,
  initInternal,
  initLeaf,
  isFull,
  keyAt,
  leastEntries,
  setChildAt,
  setEntryCount,
  setKeyAt,
  valueAt,
} from "./btree-node.ts";
import type { Transaction } from "./transaction.ts";

/** A level of the tree under way: its last two nodes, which may still have to share their entries. */
interface Level {
  /** Full; in no block yet. */
  full: Uint32Array<ArrayBuffer> | undefined;
  last: Uint32Array<ArrayBuffer>;
}

/**
 * Builds a B-tree from keys that come in ascending order, from its leaves upwards: every node is full but the last two of a level, and is
 * written once. Either entries are added, or whole leaves. The reference counts of what values refer to are the caller's business.
 */
export class BTreeBuilder {
  readonly #transaction: Transaction;
  readonly #valueWords: number;
  readonly #levels: Level[] = [];
  #ofLeaves = false;

  constructor(transaction: Transaction, valueWords: number) {
    this.#transaction = transaction;
    this.#valueWords = valueWords;
    this.#levels.push({ full: undefined, last: this.#emptyNode(0) });
  }

  /**
   * Adds an entry, whose value the caller writes at once.
   * @returns the leaf, and through `valueWord` where in it
   */
  add(key: number): Uint32Array {
    const leaf = this.#open(0, key);
    this.valueWord = valueAt(leaf, entryCount(leaf) - 1);
    return leaf;
  }

  /** Adds a leaf that is written already, and of which the tree is given a reference; it is as full as a leaf must be, or alone. */
  addLeaf(firstKey: number, block: number): void {
    const parent = this.#open(1, firstKey);
    setChildAt(parent, entryCount(parent) - 1, block);
    this.#ofLeaves = true;
  }

  /** After `add`: the 32-bit word of the value in the leaf. */
  valueWord = 0;

  /** Writes what is left, and returns the root. The builder is then done with. */
  finish(): number {
    for (let number = this.#ofLeaves ? 1 : 0; ; number++) {
      const { full, last } = this.#levels[number];
      const isTop = number === this.#levels.length - 1;
      // One leaf is a tree by itself.
      if (isTop && full === undefined && number === 1 && entryCount(last) === 1) return childAt(last, 0);
      if (isTop && full === undefined) return this.#write(last);
      if (full !== undefined) {
        const total = entryCount(full) + entryCount(last);
        if (entryCount(last) < leastEntries(last)) distribute(full, last, total - (total >>> 1));
        this.#addToParent(number, full);
      }
      this.#addToParent(number, last);
    }
  }

  /** Makes an entry at the end of a level, and returns the node it is in. */
  #open(number: number, key: number): Uint32Array {
    if (number === this.#levels.length) this.#levels.push({ full: undefined, last: this.#emptyNode(number) });
    const level = this.#levels[number];
    if (isFull(level.last)) {
      const { full } = level;
      if (full !== undefined) this.#addToParent(number, full);
      level.full = level.last;
      level.last = this.#emptyNode(number, full);
    }
    const count = entryCount(level.last);
    setEntryCount(level.last, count + 1);
    setKeyAt(level.last, count, key);
    return level.last;
  }

  #addToParent(number: number, node: Uint32Array): void {
    const parent = this.#open(number + 1, keyAt(node, 0));
    setChildAt(parent, entryCount(parent) - 1, this.#write(node));
  }

  #write(node: Uint32Array): number {
    const block = this.#transaction.create(btreeNodeKind);
    block.words.set(node);
    return block.number;
  }

  /** @param memory of a node that was written, to be used again */
  #emptyNode(level: number, memory = new Uint32Array(blockBytes / 4)): Uint32Array<ArrayBuffer> {
    memory.fill(0);
    if (level === 0) initLeaf(memory, this.#valueWords);
    else initInternal(memory);
    return memory;
  }
}
