import type { KeyRange } from "./tree-walk.ts";

/**
 * Between which keys each node was found to lie, with all below it. Trees share nodes, and each parent says anew from where to where their
 * keys go; only what says more than is known already has to be looked at again.
 */
export class VerifiedRanges {
  readonly #lowest: Float64Array;
  readonly #end: Float64Array;

  constructor(blocks: number) {
    this.#lowest = new Float64Array(blocks);
    this.#end = new Float64Array(blocks);
  }

  /** Notes that a node that is met for the first time is gone into with these keys. */
  begin(block: number, { lowest, end }: KeyRange): void {
    this.#lowest[block] = lowest;
    this.#end[block] = end;
  }

  /** Whether a node's keys are known to be among these; if not, they are from now on, as the caller goes to see. */
  has(block: number, { lowest, end }: KeyRange): boolean {
    if (lowest <= this.#lowest[block] && end >= this.#end[block]) return true;
    this.#lowest[block] = Math.max(lowest, this.#lowest[block]);
    this.#end[block] = Math.min(end, this.#end[block]);
    return false;
  }
}
