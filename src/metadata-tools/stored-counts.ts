import { bitmapCount, seeTree } from "../persistent-data/bitmap-block.ts";
import { entriesPerPage } from "../persistent-data/count-page.ts";
import type { ReferenceTally } from "./reference-tally.ts";

/** A block whose count is not what was found. */
export interface CountDifference {
  readonly block: number;
  readonly stored: number;
  readonly found: number;
}

/** The reference counts that a space map has, as they lie on the medium: two bits a block, and a list of the large ones. */
export class StoredCounts {
  readonly #blocks: number;
  readonly #bitmaps: (Uint8Array | undefined)[];
  readonly #largeBlocks: number[] = [];
  readonly #largeCounts: number[] = [];

  constructor(blocks: number) {
    this.#blocks = blocks;
    this.#bitmaps = new Array<Uint8Array | undefined>(Math.ceil(blocks / entriesPerPage));
  }

  /** Adds a count of the tree of large counts; ascending by block. */
  addLarge(block: number, count: number): void {
    this.#largeBlocks.push(block);
    this.#largeCounts.push(count);
  }

  addBitmap(number: number, bytes: Uint8Array): void {
    this.#bitmaps[number] = bytes;
  }

  /**
   * Compares every count with what was found. Bitmaps that were not added are passed by.
   * @param missing told each block whose count is large, by its bitmap, and in no list
   * @returns how many blocks have a count
   */
  compare(
    found: ReferenceTally,
    differs: (difference: CountDifference) => void,
    missing: (block: number) => void,
  ): number {
    let used = 0;
    let large = 0;
    for (const [number, bitmap] of this.#bitmaps.entries()) {
      if (bitmap === undefined) continue;
      const first = number * entriesPerPage;
      const entries = Math.min(entriesPerPage, this.#blocks - first);
      for (let entry = 0; entry < entries; entry++) {
        const block = first + entry;
        let stored = bitmapCount(bitmap, entry);
        if (stored === seeTree) {
          while (this.#largeBlocks[large] < block) large++;
          if (this.#largeBlocks[large] === block) stored = this.#largeCounts[large];
          else missing(block);
        }
        if (stored > 0) used++;
        const references = found.get(block);
        if (stored !== references) differs({ block, stored, found: references });
      }
    }
    return used;
  }
}
