import type { Block } from "../persistent-data/block.ts";
import {
  capacityOf,
  childAt,
  entryCount,
  isLeaf,
  keyAt,
  leastEntries,
  nodeCapacity,
  valueWordsOf,
} from "../persistent-data/btree-node.ts";

/** The keys that are below a node: from `lowest` up to, not including, `end`. */
export interface KeyRange {
  readonly lowest: number;
  readonly end: number;
}

/** What a walk over a B-tree tells, and asks. */
export interface TreeVisitor {
  /** A reference to a node. The node, to go into it; undefined to pass it by (seen before, or not readable). */
  enter(block: number, keys: KeyRange): Block | undefined;
  /** A sound leaf, in the order of its keys. */
  leaf(words: Uint32Array, block: number): void;
  /** All below the node was visited. */
  leave?(block: number): void;
  /** Something is wrong with a node, which is not gone into. */
  problem(block: number, what: string, keys: KeyRange): void;
}

/**
 * Visits the nodes of a B-tree, each as often as it is referred to, and checks their form: key order, keys within what the
 * parent says, fill, value size.
 */
export function walkTree(root: number, valueWords: number, visitor: TreeVisitor): void {
  const walk = (block: number, lowest: number, end: number, isRoot: boolean): void => {
    const keys = { lowest, end };
    const node = visitor.enter(block, keys);
    if (node === undefined) return;
    const { words } = node;
    const fault = nodeFault(words, { valueWords, ...keys, isRoot });
    if (fault !== undefined) visitor.problem(block, fault, keys);
    else if (isLeaf(words)) visitor.leaf(words, block);
    else {
      const count = entryCount(words);
      for (let entry = 0; entry < count; entry++) {
        const next = entry + 1 < count ? keyAt(words, entry + 1) : end;
        walk(childAt(words, entry), keyAt(words, entry), next, false);
      }
    }
    visitor.leave?.(block);
  };
  walk(root, 0, Infinity, true);
}

function nodeFault(
  words: Uint32Array,
  expected: { valueWords: number; lowest: number; end: number; isRoot: boolean },
): string | undefined {
  const count = entryCount(words);
  if (isLeaf(words) && valueWordsOf(words) !== expected.valueWords) {
    return `its values have ${4 * valueWordsOf(words)} bytes, not ${4 * expected.valueWords}`;
  }
  if (capacityOf(words) !== nodeCapacity(valueWordsOf(words))) {
    return `it says that it has room for ${capacityOf(words)} entries, not ${nodeCapacity(valueWordsOf(words))}`;
  }
  if (!expected.isRoot && count < leastEntries(words)) {
    return `it has ${count} entries, fewer than the ${leastEntries(words)} that a node must have`;
  }
  let previous = expected.lowest - 1;
  for (let entry = 0; entry < count; entry++) {
    const key = keyAt(words, entry);
    if (key <= previous) return `its key ${key}, entry ${entry}, is not above ${previous}`;
    previous = key;
  }
  if (count > 0 && previous >= expected.end)
    return `its key ${previous} belongs into the next node, from ${expected.end} on`;
  return undefined;
}
