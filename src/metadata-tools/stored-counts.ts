import { bitmapCount, seeTree } from "../persistent-data/bitmap-block.ts";
import { entriesPerPage } from "../persistent-data/count-page.ts";
import { NumberColumns } from "./number-columns.ts";
import type { ReferenceTally } from "./reference-tally.ts";

const blockColumn = 0;
const countColumn = 1;

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
  /** Blocks and their counts. */
  readonly #large = new NumberColumns(2);

  constructor(blocks: number) {
    this.#blocks = blocks;
    this.#bitmaps = new Array<Uint8Array | undefined>(Math.ceil(blocks / entriesPerPage));
  }

  /** Adds a count of the tree of large counts; ascending by block. */
  addLarge(block: number, count: number): void {
    this.#large.add(block, count);
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
          while (large < this.#large.rows && this.#large.get(large, blockColumn) < block) large++;
          if (large < this.#large.rows && this.#large.get(large, blockColumn) === block) {
            stored = this.#large.get(large, countColumn);
          } else missing(block);
        }
        if (stored > 0) used++;
        const references = found.get(block);
        if (stored !== references) differs({ block, stored, found: references });
      }
    }
    return used;
  }
}
