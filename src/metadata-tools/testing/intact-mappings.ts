import { Block, blockBytes } from "../../persistent-data/block.ts";
import { childAt, entryCount, isLeaf, keyAt, valueAt } from "../../persistent-data/btree-node.ts";
import { mappedBlock, mappedTime } from "../../thin/block-time.ts";
import { readSuperblock } from "../../thin/superblock.ts";

/** Of each device, its mappings that can be reached: virtual block → "data block@time". */
export type ReachableMappings = Map<number, Map<number, string>>;

/**
 * The mappings of a sound pool that could still be reached if some of its blocks were lost: no node on the way to them is among those. Written
 * without the tools that it judges.
 */
export function intactMappings(sound: Uint8Array, lost: ReadonlySet<number>): ReachableMappings {
  const words = (number: number): Uint32Array =>
    new Uint32Array(sound.buffer, sound.byteOffset + number * blockBytes, blockBytes / 4);
  const superblock = new Block(0);
  superblock.bytes.set(sound.subarray(0, blockBytes));
  const { mappingRoot } = readSuperblock(superblock);
  const found: ReachableMappings = new Map();
  const walk = (number: number, visit: (leaf: Uint32Array, entry: number) => void): void => {
    if (lost.has(number)) return;
    const node = words(number);
    for (let entry = 0; entry < entryCount(node); entry++) {
      if (isLeaf(node)) visit(node, entry);
      else walk(childAt(node, entry), visit);
    }
  };
  if (lost.has(0)) return found;
  walk(mappingRoot, (devices, device) => {
    const mappings = new Map<number, string>();
    found.set(keyAt(devices, device), mappings);
    walk(childAt(devices, device), (leaf, entry) => {
      const at = valueAt(leaf, entry);
      mappings.set(keyAt(leaf, entry), `${mappedBlock(leaf[at], leaf[at + 1])}@${mappedTime(leaf[at])}`);
    });
  });
  return found;
}
