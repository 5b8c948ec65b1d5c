import { entryCount, keyAt, leastEntries, valueAt } from "../persistent-data/btree-node.ts";
import { mappedBlock } from "../thin/block-time.ts";
import { mappingWords } from "../thin/metadata-trees.ts";
import type { PoolReader } from "./pool-reader.ts";

/**
 * Whether a tree can be made again of its leaves as they are: those that can be read are in order, lead to data that the pool has, and are as full as
 * leaves must be. A tree with gaps where leaves were removed may not be, nor one that was put together of what was found.
 *
 * @param dataBlocks of the pool
 */
export function hasWholeLeaves(reader: PoolReader, root: number, dataBlocks: number): boolean {
  const seen = { leaves: 0, unusable: 0, underfull: 0, lastKey: -1 };
  reader.withoutDamage().walkMappings(root, "", (words) => {
    const count = entryCount(words);
    seen.leaves++;
    if (count < leastEntries(words)) seen.underfull++;
    if (count === 0 || keyAt(words, 0) <= seen.lastKey || !areWithin(words, count, dataBlocks)) seen.unusable++;
    else seen.lastKey = keyAt(words, count - 1);
  });
  return seen.leaves > 0 && seen.unusable === 0 && (seen.underfull === 0 || seen.leaves === 1);
}

function areWithin(words: Uint32Array, count: number, dataBlocks: number): boolean {
  for (let entry = 0, at = valueAt(words, 0); entry < count; entry++, at += mappingWords) {
    if (mappedBlock(words[at], words[at + 1]) >= dataBlocks) return false;
  }
  return true;
}
