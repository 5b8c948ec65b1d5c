import type { Block } from "./block.ts";
import {
  btreeNodeKind,
  capacityOf,
  childAt,
  copyEntries,
  distribute,
  entryCount,
  firstNotBelow,
  initInternal,
  initLeaf,
  isFull,
  isLeaf,
  keyAt,
  leastEntries,
  lowerBound,
  openEntry,
  setChildAt,
  setEntryCount,
  setKeyAt,
  valueAt,
  valueWordsOf,
} from "./btree-node.ts";
import { MetadataError } from "./metadata-error.ts";
import type { Transaction } from "./transaction.ts";

/** What a tree's values are, and what they refer to. */
export interface ValueType {
  /** 32-bit words a value. */
  readonly words: number;
  /** Counts one more reference for the values of the leaf's entries `begin` to `end`: the leaf was copied. */
  readonly increment?: (leaf: Uint32Array, begin: number, end: number) => void;
  /** Drops the references of the values of these entries. */
  readonly decrement?: (leaf: Uint32Array, begin: number, end: number) => void;
}

/**
 * The B-trees of one value type. A tree is known by its root's block number; whatever changes a tree returns its root,
 * which is another block after the first change in a transaction. Trees share nodes by reference counts.
 */
export class BTree {
  readonly transaction: Transaction;
  readonly type: ValueType;

  /** After `find` and `slot`: the leaf, the entry in it, and the key at which the next leaf begins. */
  leaf!: Block;
  entry = 0;
  leafEnd = Infinity;
  /** After `slot`: whether the key was there before. */
  existed = false;

  constructor(transaction: Transaction, type: ValueType) {
    this.transaction = transaction;
    this.type = type;
  }

  /** Makes an empty tree. */
  create(): number {
    const root = this.transaction.create(btreeNodeKind);
    initLeaf(root.words, this.type.words);
    return root.number;
  }

  /** Looks a key up; the value is at `valueAt(leaf.words, entry)`. */
  find(root: number, key: number): boolean {
    let node = this.node(root);
    while (!isLeaf(node.words)) {
      const entry = lowerBound(node.words, key);
      if (entry < 0) return false;
      node = this.node(childAt(node.words, entry));
    }
    this.leaf = node;
    this.entry = lowerBound(node.words, key);
    return this.entry >= 0 && keyAt(node.words, this.entry) === key;
  }

  /** The highest key, -1 in an empty tree. */
  highestKey(root: number): number {
    let node = this.node(root);
    while (!isLeaf(node.words)) node = this.node(childAt(node.words, entryCount(node.words) - 1));
    const count = entryCount(node.words);
    return count === 0 ? -1 : keyAt(node.words, count - 1);
  }

  /** The lowest key that is not below `begin`, Infinity if there is none. */
  lowestKeyFrom(root: number, begin: number): number {
    const { words } = this.node(root);
    const count = entryCount(words);
    if (isLeaf(words)) {
      const entry = firstNotBelow(words, begin);
      return entry < count ? keyAt(words, entry) : Infinity;
    }
    for (let entry = Math.max(0, lowerBound(words, begin)); entry < count; entry++) {
      const key = this.lowestKeyFrom(childAt(words, entry), begin);
      if (key !== Infinity) return key;
    }
    return Infinity;
  }

  /** Calls `visit` with each leaf that has keys from `begin` up to `end`, and which of its entries they are; ascending. */
  visitLeaves(
    root: number,
    begin: number,
    end: number,
    visit: (leaf: Uint32Array, first: number, last: number) => void,
  ): void {
    const { words } = this.node(root);
    if (isLeaf(words)) {
      const first = firstNotBelow(words, begin);
      const last = firstNotBelow(words, end);
      if (first < last) visit(words, first, last);
      return;
    }
    const last = firstNotBelow(words, end);
    for (let entry = Math.max(0, lowerBound(words, begin)); entry < last; entry++) {
      this.visitLeaves(childAt(words, entry), begin, end, visit);
    }
  }

  /** As `visitLeaves`, for who wants to be asked; gives copies of the leaves. The tree must not change meanwhile. */
  *leaves(
    root: number,
    begin: number,
    end: number,
  ): IterableIterator<{ words: Uint32Array; first: number; last: number }> {
    const words = this.node(root).words.slice();
    const last = firstNotBelow(words, end);
    if (isLeaf(words)) {
      const first = firstNotBelow(words, begin);
      if (first < last) yield { words, first, last };
      return;
    }
    for (let entry = Math.max(0, lowerBound(words, begin)); entry < last; entry++) {
      yield* this.leaves(childAt(words, entry), begin, end);
    }
  }

  /**
   * Finds or makes the entry of a key, ready to be written: `leaf` and `entry` say where, `existed` whether it has a
   * value already (whose references stay the caller's business). Returns the root.
   */
  slot(root: number, key: number): number {
    const top = this.own(root);
    let node = top;
    this.leafEnd = Infinity;
    if (this.#needsRoom(node.words, key)) this.#splitRoot(node);
    while (!isLeaf(node.words)) {
      const parent = node;
      node = this.#ownChild(parent, this.#entryTowards(parent.words, key));
      if (this.#needsRoom(node.words, key)) {
        this.#makeRoom(parent, lowerBound(parent.words, key), key);
        node = this.#ownChild(parent, lowerBound(parent.words, key));
      }
      const next = lowerBound(parent.words, key) + 1;
      if (next < entryCount(parent.words)) this.leafEnd = keyAt(parent.words, next);
    }
    this.#place(node, key);
    return top.number;
  }

  /**
   * As `slot`, in the leaf of an earlier `slot` that is still the caller's own, when the key belongs there and fits;
   * false otherwise. `leafEnd` is what that `slot` left.
   */
  slotIn(leaf: Block, leafEnd: number, key: number): boolean {
    const { words } = leaf;
    if (!leaf.dirty || key >= leafEnd || entryCount(words) === 0 || key < keyAt(words, 0)) return false;
    if (this.#needsRoom(words, key)) return false;
    this.#place(leaf, key);
    return true;
  }

  /** A node to read. @throws {MetadataError} when it is damaged, or of another tree. */
  node(number: number): Block {
    const block = this.transaction.read(number, btreeNodeKind);
    if (isLeaf(block.words) && valueWordsOf(block.words) !== this.type.words) {
      throw new MetadataError(
        "EILSEQ",
        `Cannot use btree node at metadata block ${number}: its values have ${4 * valueWordsOf(block.words)} bytes, not ${4 * this.type.words}. Run thin_check and thin_repair.`,
        { block: number, kind: "btree node" },
      );
    }
    return block;
  }

  /** A node to change in place: itself, or a copy that now has the caller's reference. */
  own(number: number): Block {
    this.node(number);
    const block = this.transaction.shadow(number, btreeNodeKind);
    if (this.transaction.wasShared) this.incrementContents(block.words);
    return block;
  }

  /** Counts one more reference to whatever a node refers to: a copy of it was made. */
  incrementContents(words: Uint32Array): void {
    const count = entryCount(words);
    if (isLeaf(words)) this.type.increment?.(words, 0, count);
    else for (let entry = 0; entry < count; entry++) this.transaction.increment(childAt(words, entry));
  }

  #ownChild(parent: Block, entry: number): Block {
    const number = childAt(parent.words, entry);
    const child = this.own(number);
    if (child.number !== number) setChildAt(parent.words, entry, child.number);
    return child;
  }

  /** The child towards a key. One below the lowest becomes the lowest: a node's key bounds all below it. */
  #entryTowards(words: Uint32Array, key: number): number {
    const entry = lowerBound(words, key);
    if (entry >= 0) return entry;
    setKeyAt(words, 0, key);
    return 0;
  }

  #needsRoom(words: Uint32Array, key: number): boolean {
    if (!isFull(words)) return false;
    if (!isLeaf(words)) return true;
    const entry = lowerBound(words, key);
    return entry < 0 || keyAt(words, entry) !== key;
  }

  #place(leaf: Block, key: number): void {
    const { words } = leaf;
    const entry = lowerBound(words, key);
    this.leaf = leaf;
    this.existed = entry >= 0 && keyAt(words, entry) === key;
    this.entry = this.existed ? entry : entry + 1;
    if (this.existed) return;
    openEntry(words, this.entry);
    setKeyAt(words, this.entry, key);
  }

  /** Puts two nodes below a full root, which stays where it is. */
  #splitRoot(root: Block): void {
    const { words } = root;
    const count = entryCount(words);
    const middle = count >>> 1;
    const left = this.#emptyLike(words);
    const right = this.#emptyLike(words);
    copyEntries(words, 0, middle, left.words, 0);
    setEntryCount(left.words, middle);
    copyEntries(words, middle, count, right.words, 0);
    setEntryCount(right.words, count - middle);
    initInternal(words);
    setEntryCount(words, 2);
    for (const [entry, child] of [left, right].entries()) {
      setKeyAt(words, entry, keyAt(child.words, 0));
      setChildAt(words, entry, child.number);
    }
  }

  /** Makes room below a parent that has some: in the full child's left neighbour, in its right one, or in a new one. */
  #makeRoom(parent: Block, entry: number, key: number): void {
    const full = this.#ownChild(parent, entry);
    const capacity = capacityOf(full.words);
    const appending = key > keyAt(full.words, capacity - 1);
    // Neighbours are worth filling only when that leaves room for a while.
    const roomy = capacity - (capacity >>> 2);
    if (entry > 0 && this.#countOf(childAt(parent.words, entry - 1)) <= roomy) {
      const left = this.#ownChild(parent, entry - 1);
      const total = entryCount(left.words) + capacity;
      distribute(
        left.words,
        full.words,
        appending ? Math.min(capacity, total - leastEntries(full.words)) : total >>> 1,
      );
      setKeyAt(parent.words, entry, keyAt(full.words, 0));
      return;
    }
    const hasRight = entry + 1 < entryCount(parent.words);
    if (hasRight && this.#countOf(childAt(parent.words, entry + 1)) <= roomy) {
      const right = this.#ownChild(parent, entry + 1);
      distribute(full.words, right.words, (entryCount(right.words) + capacity) >>> 1);
      setKeyAt(parent.words, entry + 1, keyAt(right.words, 0));
      return;
    }
    const right = this.#emptyLike(full.words);
    // Keys that come in order fill what they leave behind; see the left neighbour above.
    distribute(full.words, right.words, appending ? capacity - leastEntries(full.words) : capacity >>> 1);
    openEntry(parent.words, entry + 1);
    setKeyAt(parent.words, entry + 1, keyAt(right.words, 0));
    setChildAt(parent.words, entry + 1, right.number);
  }

  #countOf(number: number): number {
    return entryCount(this.node(number).words);
  }

  #emptyLike(words: Uint32Array): Block {
    const block = this.transaction.create(btreeNodeKind);
    if (isLeaf(words)) initLeaf(block.words, this.type.words);
    else initInternal(block.words);
    return block;
  }

  /** 32-bit word at which the value found lies. */
  get valueWord(): number {
    return valueAt(this.leaf.words, this.entry);
  }
}
