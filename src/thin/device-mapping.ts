/** A run of mapped blocks: virtual and data block numbers both ascend by one. */
export interface MappingRange {
  readonly virtualBlock: number;
  readonly dataBlock: number;
  readonly time: number;
  readonly blocks: number;
}

/** The block map of one open thin device. Units: pool blocks. Synchronous; `lookup` allocates nothing. */
export class DeviceMapping {
  readonly id: number = 0;
  /** Time of the last mapping that `lookup` found. */
  time = 0;

  get mappedBlocks(): number {
    throw new Error("not written yet");
  }
  get snapshottedTime(): number {
    throw new Error("not written yet");
  }
  /** The data block that `virtualBlock` is mapped to, -1 when unmapped. Sets `time`. */
  lookup(virtualBlock: number): number {
    throw new Error(`not written yet ${virtualBlock}`);
  }
  /** Whether the mapping that the last `lookup` found is shared with a snapshot. */
  isShared(): boolean {
    throw new Error("not written yet");
  }
  /**
   * Maps `virtualBlock` to `dataBlock` (whose reference, from allocateDataBlock, passes to the mapping) at the current
   * time. The reference of the mapping replaced is dropped.
   * @returns the data block that was freed by that, -1 when none was.
   */
  insert(virtualBlock: number, dataBlock: number): number {
    throw new Error(`not written yet ${virtualBlock} ${dataBlock}`);
  }
  /**
   * Unmaps `begin` (included) to `end` (excluded).
   * @param onFreed told each data block whose last reference went. It may be reused after the next commit.
   * @returns how many blocks were mapped.
   */
  remove(begin: number, end: number, onFreed?: (dataBlock: number) => void): number {
    throw new Error(`not written yet ${begin} ${end} ${String(onFreed)}`);
  }
  /** The highest mapped virtual block, -1 when nothing is mapped. */
  highestMapped(): number {
    throw new Error("not written yet");
  }
  /** Every mapping from `begin` to `end`, ascending, in runs. */
  mappings(begin?: number, end?: number): IterableIterator<MappingRange> {
    throw new Error(`not written yet ${begin} ${end}`);
  }
}
