import { childAt, entryCount, firstNotBelow, isLeaf, lowerBound } from "../persistent-data/btree-node.ts";
import type { BTree } from "../persistent-data/btree.ts";

/** All nodes of a tree. Leaves, which are all at one depth, are named by those above and not read. */
export function nodesBelow(tree: BTree, root: number): Set<number> {
  const nodes = new Set([root]);
  let level = [root];
  for (;;) {
    if (isLeaf(tree.node(level[0]).words)) return nodes;
    level = level.flatMap((node) => {
      const { words } = tree.node(node);
      return Array.from({ length: entryCount(words) }, (_, entry) => childAt(words, entry));
    });
    for (const node of level) nodes.add(node);
  }
}

/**
 * Copies of the leaves that have keys from `begin` on, ascending, but for what is below the nodes of another tree: that both have. Those are not
 * read.
 */
export function* leavesOutside(
  tree: BTree,
  root: number,
  others: ReadonlySet<number>,
  begin: number,
): IterableIterator<{ words: Uint32Array; first: number; last: number }> {
  if (others.has(root)) return;
  const words = tree.node(root).words.slice();
  const last = entryCount(words);
  if (isLeaf(words)) {
    const first = firstNotBelow(words, begin);
    if (first < last) yield { words, first, last };
    return;
  }
  for (let entry = Math.max(0, lowerBound(words, begin)); entry < last; entry++) {
    yield* leavesOutside(tree, childAt(words, entry), others, begin);
  }
}
