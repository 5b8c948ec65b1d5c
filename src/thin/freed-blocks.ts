import type { FreedRun } from "./journal.ts";

/** Collects data blocks whose last reference went, until a commit makes it safe to pass them down. */
export class FreedBlocks {
  #blocks: number[] = [];

  get count(): number {
    return this.#blocks.length;
  }

  add(dataBlock: number): void {
    this.#blocks.push(dataBlock);
  }

  /** Empties the collection into ascending runs, neighbours merged. */
  takeRuns(): FreedRun[] {
    if (this.#blocks.length === 0) return [];
    const sorted = Float64Array.from(this.#blocks).sort();
    this.#blocks = [];
    const runs: FreedRun[] = [];
    let first = sorted[0];
    let blocks = 1;
    for (const block of sorted.subarray(1)) {
      if (block === first + blocks) blocks++;
      else {
        runs.push({ dataBlock: first, blocks });
        first = block;
        blocks = 1;
      }
    }
    runs.push({ dataBlock: first, blocks });
    return runs;
  }
}
