import { bitmapCount, seeTree } from "../../persistent-data/bitmap-block.ts";
import { indexHeaderWords } from "../../persistent-data/bitmap-index.ts";
import { childAt, entryCount, isLeaf, keyAt, valueAt } from "../../persistent-data/btree-node.ts";
import { entriesPerPage } from "../../persistent-data/count-page.ts";
import { indexEntryWords, readIndexEntry } from "../../persistent-data/index-entry.ts";
import { mostMetadataBitmaps } from "../../persistent-data/bitmap-index.ts";
import { blockRole, type NodeScan } from "./node-scan.ts";

/**
 * How many references a commit's own space map counts to a metadata block, as far as that can be read. It proves what belongs to the commit:
 * a block that is counted there and that nothing refers to is below something that was lost.
 */
export class MetadataCounts {
  readonly #scan: NodeScan;
  readonly #bitmaps: (Uint8Array | undefined)[] = [];
  readonly #large = new Map<number, number>();

  /** @param index the space map's index block @param largeCounts root of its tree of counts above 2, where that is known */
  constructor(scan: NodeScan, index: number, largeCounts?: number) {
    this.#scan = scan;
    const words = scan.role(index) === blockRole.index ? scan.words(index) : undefined;
    const bitmaps = words === undefined ? 0 : Math.min(Math.ceil(scan.blocks / entriesPerPage), mostMetadataBitmaps);
    for (let number = 0; number < bitmaps; number++) {
      const { bitmap } = readIndexEntry(words!, indexHeaderWords + number * indexEntryWords);
      this.#bitmaps.push(scan.role(bitmap) === blockRole.bitmap ? scan.block(bitmap)?.bytes : undefined);
    }
    if (largeCounts !== undefined) this.#readLarge(largeCounts, new Set());
  }

  /** The count of a block; undefined where that cannot be read. */
  get(block: number): number | undefined {
    const bitmap = this.#bitmaps[Math.floor(block / entriesPerPage)];
    if (bitmap === undefined) return undefined;
    const count = bitmapCount(bitmap, block % entriesPerPage);
    return count === seeTree ? this.#large.get(block) : count;
  }

  /** @param seen a damaged tree may lead round in circles */
  #readLarge(number: number, seen: Set<number>): void {
    const role = this.#scan.role(number);
    if ((role !== blockRole.largeCounts && role !== blockRole.internal) || seen.has(number)) return;
    seen.add(number);
    const words = this.#scan.words(number);
    for (let entry = 0; words !== undefined && entry < entryCount(words); entry++) {
      if (isLeaf(words)) this.#large.set(keyAt(words, entry), words[valueAt(words, entry)]);
      else this.#readLarge(childAt(words, entry), seen);
    }
  }
}
