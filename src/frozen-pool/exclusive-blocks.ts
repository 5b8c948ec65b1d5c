import { entryCount, valueAt } from "../persistent-data/btree-node.ts";
import { mappedBlock } from "../thin/block-time.ts";
import { mappingWords } from "../thin/metadata-trees.ts";
import type { FrozenMetadata } from "./frozen-metadata.ts";

/**
 * How many data blocks each device has to itself, counted over the devices themselves: the space maps of a damaged pool
 * need not be readable. Each node is read at most twice, however many devices share it.
 */
export function exclusiveBlocks(metadata: FrozenMetadata): Map<number, number> {
  const references = new Map<number, number>();
  const { blocks } = metadata.superblock.dataSpaceMap;
  const uses = new DataUses();
  const meet = (block: number): boolean => {
    const count = (references.get(block) ?? 0) + 1;
    references.set(block, count);
    return count > 1;
  };
  const dataIn = (words: Uint32Array, visit: (dataBlock: number) => void): void => {
    for (let at = valueAt(words, 0), end = valueAt(words, entryCount(words)); at < end; at += mappingWords) {
      const block = mappedBlock(words[at], words[at + 1]);
      if (block < blocks) visit(block);
    }
  };
  for (const root of metadata.roots.values()) {
    metadata.walkMappings(root, (words) => dataIn(words, (block) => uses.add(block)), meet);
  }
  const found = new Map<number, number>();
  // What is below a node with several parents is shared, though it was met once.
  const shared = (block: number): boolean => references.get(block) !== 1;
  for (const [id, root] of metadata.roots) {
    let exclusive = 0;
    const count = (block: number): void => {
      if (uses.isSingle(block)) exclusive++;
    };
    metadata.walkMappings(root, (words) => dataIn(words, count), shared);
    found.set(id, exclusive);
  }
  return found;
}

const pageShift = 16;

/** Whether a data block was met once or oftener; a byte a block, in pages that are made when needed. */
class DataUses {
  private readonly pages = new Map<number, Uint8Array>();

  add(block: number): void {
    const page = Math.floor(block / 2 ** pageShift);
    let uses = this.pages.get(page);
    if (uses === undefined) this.pages.set(page, (uses = new Uint8Array(1 << pageShift)));
    const at = block % 2 ** pageShift;
    if (uses[at] < 2) uses[at]++;
  }

  isSingle(block: number): boolean {
    return this.pages.get(Math.floor(block / 2 ** pageShift))?.[block % 2 ** pageShift] === 1;
  }
}
