import { entryCount, keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { mappedBlock, mappedTime } from "../thin/block-time.ts";
import { mappingWords } from "../thin/metadata-trees.ts";

/** Told a run of mappings: `length` blocks from `virtualBlock` on are mapped to as many from `dataBlock` on. */
export type OnRun = (virtualBlock: number, dataBlock: number, time: number, length: number) => void;

/** Joins mappings whose blocks follow one another, over the leaves of a tree. */
export class MappingRuns {
  readonly #onRun: OnRun;
  readonly #anyTime: boolean;
  #virtualBlock = 0;
  #dataBlock = 0;
  #time = 0;
  #length = 0;

  /** @param joined which are joined: those that were made at the same time, or all */
  constructor(onRun: OnRun, joined: "same time" | "any time") {
    this.#onRun = onRun;
    this.#anyTime = joined === "any time";
  }

  /** Adds a leaf's mappings. */
  add(words: Uint32Array): void {
    // What the next mapping must be to go on with the run, in variables of their own: there are millions.
    let nextVirtual = this.#length > 0 ? this.#virtualBlock + this.#length : -1;
    let nextData = this.#dataBlock + this.#length;
    let runTime = this.#time;
    const count = entryCount(words);
    for (let entry = 0, at = valueAt(words, 0); entry < count; entry++, at += mappingWords) {
      const virtualBlock = keyAt(words, entry);
      const low = words[at];
      const dataBlock = mappedBlock(low, words[at + 1]);
      const time = mappedTime(low);
      if (virtualBlock !== nextVirtual || dataBlock !== nextData || (time !== runTime && !this.#anyTime)) {
        if (nextVirtual >= 0) this.#endAt(nextVirtual);
        this.#virtualBlock = virtualBlock;
        this.#dataBlock = dataBlock;
        this.#time = runTime = time;
        nextData = dataBlock;
        nextVirtual = virtualBlock;
      }
      nextVirtual++;
      nextData++;
    }
    this.#length = nextVirtual < 0 ? 0 : nextVirtual - this.#virtualBlock;
  }

  /** Tells what is left. */
  end(): void {
    if (this.#length > 0) this.#endAt(this.#virtualBlock + this.#length);
    this.#length = 0;
  }

  #endAt(virtualEnd: number): void {
    this.#onRun(this.#virtualBlock, this.#dataBlock, this.#time, virtualEnd - this.#virtualBlock);
  }
}
