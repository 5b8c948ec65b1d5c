import { childAt, entryCount, isLeaf, keyAt, valueAt } from "../persistent-data/btree-node.ts";
import type { BTree } from "../persistent-data/btree.ts";
import { mappedBlock } from "../thin/block-time.ts";
import { nodesBelow } from "./tree-nodes.ts";

/** What it takes of a pool's metadata: of a running pool's, or as they were read. */
export interface MappingSource {
  readonly trees: { readonly mappings: BTree };
  /** @throws ThinError ENODATA */
  mappingRootOf(id: number): number;
}

/**
 * How many blocks a device has that its origin does not have in the same place: what was written to it since it was made a snapshot, if the
 * origin has not changed. Only nodes that the origin does not have are read, and the origin's inner ones, so the cost is that of what was added.
 *
 * @throws ThinError ENODATA when there is no such device
 */
export function addedBlocks(metadata: MappingSource, id: number, originId: number): number {
  const { mappings } = metadata.trees;
  const originRoot = metadata.mappingRootOf(originId);
  const nodesOfOrigin = nodesBelow(mappings, originRoot);
  let added = 0;
  const visit = (node: number): void => {
    if (nodesOfOrigin.has(node)) return;
    const { words } = mappings.node(node);
    const entries = Array.from({ length: entryCount(words) }, (_, entry) => entry);
    if (!isLeaf(words)) {
      for (const child of entries.map((entry) => childAt(words, entry))) visit(child);
      return;
    }
    for (const [key, block] of entries.map((entry) => [keyAt(words, entry), blockAt(words, entry)])) {
      if (!mappings.find(originRoot, key) || blockAt(mappings.leaf.words, mappings.entry) !== block) added++;
    }
  };
  visit(metadata.mappingRootOf(id));
  return added;
}

function blockAt(words: Uint32Array, entry: number): number {
  const at = valueAt(words, entry);
  return mappedBlock(words[at], words[at + 1]);
}
