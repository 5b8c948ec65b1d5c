import { entryCount, keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { mappedBlock } from "../thin/block-time.ts";
import type { FrozenMetadata, LostKeys } from "./frozen-metadata.ts";

/** Where consecutive virtual blocks are. */
export interface MappedRun {
  /** The first one's data block; undefined where none is mapped. */
  readonly dataBlock: number | undefined;
  readonly blocks: number;
}

/** A thin device's mappings, runs of them in flat arrays. */
export class VolumeMap {
  /** Ranges of virtual blocks whose mappings cannot be read. */
  readonly lost: LostKeys[];
  readonly mappedBlocks: number;
  private readonly starts: Float64Array;
  private readonly dataBlocks: Float64Array;
  private readonly lengths: Float64Array;

  constructor(metadata: FrozenMetadata, root: number) {
    const { blocks: poolBlocks } = metadata.superblock.dataSpaceMap;
    const starts: number[] = [];
    const dataBlocks: number[] = [];
    const lengths: number[] = [];
    const beyond: LostKeys[] = [];
    let mapped = 0;
    this.lost = metadata.walkMappings(root, (words) => {
      for (let entry = 0, count = entryCount(words); entry < count; entry++) {
        const virtual = keyAt(words, entry);
        const at = valueAt(words, entry);
        const data = mappedBlock(words[at], words[at + 1]);
        const last = starts.length - 1;
        mapped++;
        if (data >= poolBlocks) {
          const fault = `data block ${data} lies beyond the pool's ${poolBlocks} blocks`;
          beyond.push({ lowest: virtual, end: virtual + 1, fault });
        } else if (last >= 0 && starts[last] + lengths[last] === virtual && dataBlocks[last] + lengths[last] === data) {
          lengths[last]++;
        } else {
          starts.push(virtual);
          dataBlocks.push(data);
          lengths.push(1);
        }
      }
    });
    this.lost.push(...beyond);
    this.mappedBlocks = mapped;
    this.starts = Float64Array.from(starts);
    this.dataBlocks = Float64Array.from(dataBlocks);
    this.lengths = Float64Array.from(lengths);
  }

  /** The run that a virtual block begins or is in, from it on. Whether it is in a lost range is not looked at. */
  find(block: number): MappedRun {
    let below = -1;
    let above = this.starts.length;
    while (above - below > 1) {
      const middle = (below + above) >>> 1;
      if (this.starts[middle] <= block) below = middle;
      else above = middle;
    }
    if (below >= 0 && block < this.starts[below] + this.lengths[below]) {
      const skipped = block - this.starts[below];
      return { dataBlock: this.dataBlocks[below] + skipped, blocks: this.lengths[below] - skipped };
    }
    const next = below + 1 < this.starts.length ? this.starts[below + 1] : Infinity;
    return { dataBlock: undefined, blocks: next - block };
  }
}
