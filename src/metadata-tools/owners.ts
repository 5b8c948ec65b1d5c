import { childAt, entryCount, isLeaf, keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { mappedBlock } from "../thin/block-time.ts";
import type { ThinMetadata } from "../thin/metadata.ts";
import type { MetadataView } from "../thin/metadata-view.ts";

/** A device that maps a data block, and where. */
export interface BlockOwner {
  readonly id: number;
  readonly virtualBlock: number;
}

/**
 * Which devices map a data block. Every leaf of the pool is read, though shared ones once; if a device and the place in it
 * are known, `sharers` is far quicker.
 */
export function owners(metadata: ThinMetadata, dataBlock: number): BlockOwner[] {
  const { mappings } = metadata.trees;
  const found = new Map<number, number[]>();
  const placesBelow = (node: number): number[] => {
    const known = found.get(node);
    if (known !== undefined) return known;
    const { words } = mappings.node(node);
    const places: number[] = [];
    for (let entry = 0, count = entryCount(words); entry < count; entry++) {
      if (!isLeaf(words)) places.push(...placesBelow(childAt(words, entry)));
      else {
        const at = valueAt(words, entry);
        if (mappedBlock(words[at], words[at + 1]) === dataBlock) places.push(keyAt(words, entry));
      }
    }
    found.set(node, places.length === 0 ? none : places);
    return places;
  };
  return [...metadata.details()].flatMap(({ id }) =>
    placesBelow(metadata.mappingRootOf(id)).map((virtualBlock) => ({ id, virtualBlock })),
  );
}

const none: number[] = [];

/**
 * The ids of the devices that map the same data block as a device does at `virtualBlock`, its own included; none if it
 * maps none there. Devices share blocks only by snapshots, and so only at the same place: one look-up a device does.
 */
export function sharers(metadata: ThinMetadata | MetadataView, id: number, virtualBlock: number): number[] {
  const { mappings } = metadata.trees;
  const at = (device: number): number => {
    if (!mappings.find(metadata.mappingRootOf(device), virtualBlock)) return -1;
    const word = mappings.valueWord;
    return mappedBlock(mappings.leaf.words[word], mappings.leaf.words[word + 1]);
  };
  const dataBlock = at(id);
  if (dataBlock < 0) return [];
  return [...metadata.details()].map((details) => details.id).filter((other) => at(other) === dataBlock);
}
