import { type Block, blockMemory, type BlockMemory } from "../persistent-data/block.ts";
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
  /**
   * A reference to a node. The node, to go into it; undefined to pass it by (seen before, or not readable).
   * @param memory may be used for the node: nothing else is in it until the node is left
   */
  enter(block: number, keys: KeyRange, memory: BlockMemory): Block | undefined;
  /** A sound leaf, in the order of its keys. */
  leaf(words: Uint32Array, block: number): void;
  /** All below the node was visited. */
  leave?(block: number): void;
  /** Something is wrong with a node, which is not gone into. */
  problem(block: number, what: string, keys: KeyRange): void;
  /** A sound node has fewer entries than it must; it is gone into all the same. */
  underfull?(block: number, what: string): void;
}

const allKeys: KeyRange = { lowest: 0, end: Infinity };

/** Nodes from root to leaf: trees of 2^64 keys have no more, and a circle in a damaged one ends here. */
const mostDepth = 64;

/**
 * Visits the nodes of a B-tree, each as often as it is referred to, and checks their form: key order, keys within what the
 * parent says, fill, value size.
 * @param between what the parent of `root` says, where that is not the root of a tree
 */
export function walkTree(root: number, valueWords: number, visitor: TreeVisitor, between: KeyRange = allKeys): void {
  const memories: BlockMemory[] = [];
  const walk = (block: number, lowest: number, end: number, depth: number): void => {
    const keys = { lowest, end };
    memories[depth] ??= blockMemory();
    const node = visitor.enter(block, keys, memories[depth]);
    if (node === undefined) return;
    const { words } = node;
    const count = entryCount(words);
    const fault = depth === mostDepth ? "it lies too deep" : nodeFault(words, valueWords, keys);
    if (fault !== undefined) visitor.problem(block, fault, keys);
    else {
      if (depth > 0 && count < leastEntries(words)) {
        visitor.underfull?.(
          block,
          `it has ${count} entries, fewer than the ${leastEntries(words)} that a node must have`,
        );
      }
      if (isLeaf(words)) visitor.leaf(words, block);
      else {
        for (let entry = 0; entry < count; entry++) {
          const next = entry + 1 < count ? keyAt(words, entry + 1) : end;
          walk(childAt(words, entry), keyAt(words, entry), next, depth + 1);
        }
      }
    }
    visitor.leave?.(block);
  };
  walk(root, between.lowest, between.end, 0);
}

/** What is wrong with the form of a node whose checksum is right; undefined if nothing is. */
export function nodeFault(words: Uint32Array, valueWords: number, keys: KeyRange): string | undefined {
  const count = entryCount(words);
  if (isLeaf(words) && valueWordsOf(words) !== valueWords) {
    return `its values have ${4 * valueWordsOf(words)} bytes, not ${4 * valueWords}`;
  }
  if (capacityOf(words) !== nodeCapacity(valueWordsOf(words))) {
    return `it says that it has room for ${capacityOf(words)} entries, not ${nodeCapacity(valueWordsOf(words))}`;
  }
  let previous = keys.lowest - 1;
  for (let entry = 0; entry < count; entry++) {
    const key = keyAt(words, entry);
    if (key <= previous) return `its key ${key}, entry ${entry}, is not above ${previous}`;
    previous = key;
  }
  if (count > 0 && previous >= keys.end) {
    return `its key ${previous} belongs into the next node, from ${keys.end} on`;
  }
  return undefined;
}
