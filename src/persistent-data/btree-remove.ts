import type { Block } from "./block.ts";
import {
  childAt,
  copyNode,
  distribute,
  entryCount,
  firstNotBelow,
  initLeaf,
  isLeaf,
  keyAt,
  leastEntries,
  lowerBound,
  removeEntries,
  setChildAt,
  setKeyAt,
} from "./btree-node.ts";
import type { BTree } from "./btree.ts";

/** Takes keys, and whole trees, out of the B-trees of one type. */
export class BTreeRemover {
  readonly #tree: BTree;
  /** Entries that the last `removeRange` took out. */
  removed = 0;

  constructor(tree: BTree) {
    this.#tree = tree;
  }

  /**
   * Removes the keys from `begin` up to `end` and drops what their values refer to. Only the nodes at the two edges are
   * copied and changed; those wholly inside are let go. Returns the root.
   */
  removeRange(root: number, begin: number, end: number): number {
    this.removed = 0;
    if (this.#tree.lowestKeyFrom(root, begin) >= end) return root;
    const top = this.#tree.own(root);
    this.#trim(top, begin, end, Infinity);
    if (entryCount(top.words) === 0) initLeaf(top.words, this.#tree.type.words);
    this.#mend(top, begin);
    this.#mend(top, end);
    return top.number;
  }

  /** Drops a reference to a tree; if it was the last, also those to all that the tree refers to. */
  free(root: number): void {
    if (this.#tree.transaction.counts.get(root) === 1) {
      const { words } = this.#tree.node(root);
      const count = entryCount(words);
      if (isLeaf(words)) this.#tree.type.decrement?.(words, 0, count);
      else for (let entry = 0; entry < count; entry++) this.free(childAt(words, entry));
    }
    this.#tree.transaction.decrement(root);
  }

  /** How many entries a tree has. */
  countEntries(root: number): number {
    let total = 0;
    this.#tree.visitLeaves(root, 0, Infinity, (_, first, last) => (total += last - first));
    return total;
  }

  /** Takes the range out of a node that may be changed, whose keys end before `nodeEnd`. Leaves thin nodes behind. */
  #trim(node: Block, begin: number, end: number, nodeEnd: number): void {
    const { words } = node;
    if (isLeaf(words)) {
      const first = firstNotBelow(words, begin);
      const last = firstNotBelow(words, end);
      this.#tree.type.decrement?.(words, first, last);
      removeEntries(words, first, last);
      this.removed += last - first;
      return;
    }
    const lowest = Math.max(0, lowerBound(words, begin));
    // From the top down, so that taking an entry out moves none that is still to be seen.
    for (let entry = firstNotBelow(words, end) - 1; entry >= lowest; entry--) {
      const number = childAt(words, entry);
      const childEnd = entry + 1 < entryCount(words) ? keyAt(words, entry + 1) : nodeEnd;
      if (keyAt(words, entry) >= begin && childEnd <= end) {
        this.removed += this.countEntries(number);
        this.free(number);
        removeEntries(words, entry, entry + 1);
        continue;
      }
      if (this.#tree.lowestKeyFrom(number, begin) >= Math.min(end, childEnd)) continue;
      const child = this.#tree.own(number);
      setChildAt(words, entry, child.number);
      this.#trim(child, begin, end, childEnd);
      if (entryCount(child.words) > 0) continue;
      this.#tree.transaction.decrement(child.number);
      removeEntries(words, entry, entry + 1);
    }
  }

  /**
   * Mends the nodes on the way to a key, so that each but the root has at least a third of its capacity. Merging may leave
   * the parent too thin in turn; then the way is walked again.
   */
  #mend(root: Block, key: number): void {
    for (let mended = true; mended;) {
      mended = false;
      let node = root;
      while (!isLeaf(node.words)) {
        if (node === root && entryCount(node.words) === 1) {
          this.#pullUp(node);
          mended = true;
          continue;
        }
        const entry = Math.max(0, lowerBound(node.words, key));
        const child = this.#tree.node(childAt(node.words, entry));
        if (entryCount(child.words) >= leastEntries(child.words)) {
          // What was thinned out is this transaction's own, and so is the way there.
          if (!this.#tree.transaction.isOwn(child.number)) break;
          node = child;
          continue;
        }
        this.#balance(node, entry > 0 ? entry - 1 : entry);
        mended = true;
        if (node === root && entryCount(node.words) === 1) continue;
        node = this.#tree.node(childAt(node.words, Math.max(0, lowerBound(node.words, key))));
      }
    }
  }

  /** Puts a root's only child in its place. */
  #pullUp(root: Block): void {
    const number = childAt(root.words, 0);
    const child = this.#tree.node(number);
    copyNode(child.words, root.words);
    if (this.#tree.transaction.decrement(number) > 0) this.#tree.incrementContents(root.words);
  }

  /** Merges two neighbours if they fit well into one node, else shares their entries out evenly. */
  #balance(parent: Block, leftEntry: number): void {
    const left = this.#ownChild(parent, leftEntry);
    const right = this.#ownChild(parent, leftEntry + 1);
    const total = entryCount(left.words) + entryCount(right.words);
    if (total <= 2 * leastEntries(left.words)) {
      distribute(left.words, right.words, total);
      removeEntries(parent.words, leftEntry + 1, leftEntry + 2);
      this.#tree.transaction.decrement(right.number);
      return;
    }
    distribute(left.words, right.words, total >>> 1);
    setKeyAt(parent.words, leftEntry + 1, keyAt(right.words, 0));
  }

  #ownChild(parent: Block, entry: number): Block {
    const child = this.#tree.own(childAt(parent.words, entry));
    setChildAt(parent.words, entry, child.number);
    return child;
  }
}
