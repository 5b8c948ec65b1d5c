/** Tells the first time that free space falls to a low water mark, until it is rearmed. */
export class LowWaterMarks {
  #data = false;
  #metadata = false;

  /** Whether free data blocks have just come down to the table's mark. */
  dataCrossed(freeBlocks: number, markBlocks: number): boolean {
    if (this.#data || freeBlocks > markBlocks) return false;
    this.#data = true;
    return true;
  }

  /** Whether free metadata blocks have just come down to their mark. */
  metadataCrossed(freeBlocks: number, totalBlocks: number): boolean {
    if (this.#metadata || freeBlocks > metadataLowWaterMark(totalBlocks)) return false;
    this.#metadata = true;
    return true;
  }

  /** The pool was grown or resumed: the marks may be crossed again. */
  rearm(): void {
    this.#data = false;
    this.#metadata = false;
  }
}

/** Free metadata blocks at which an event is raised: a quarter, at most 4 MiB (dm-thin.c, calc_metadata_threshold). */
export function metadataLowWaterMark(totalBlocks: number): number {
  return Math.min(1024, Math.floor(totalBlocks / 4));
}
