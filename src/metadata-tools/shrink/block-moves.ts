import { ThinError } from "../../thin/errors.ts";
import type { Extent } from "../free-extents.ts";
import { NumberColumns } from "../number-columns.ts";

const fromColumn = 0;
const toColumn = 1;
const blocksColumn = 2;

/** Data blocks that are moved together. */
export interface BlockMove {
  readonly from: number;
  readonly to: number;
  readonly blocks: number;
}

/** Which data blocks are moved where, so that a pool ends at fewer of them. What lies below the new end stays where it is. */
export class BlockMoves {
  /** Data blocks of the pool afterwards. */
  readonly sizeBlocks: number;
  /** How many blocks are moved. */
  readonly movedBlocks: number;
  /** Ascending by where they are moved from. */
  readonly #moves = new NumberColumns(3);

  /**
   * @param mapped what the pool's devices map, ascending
   * @param kept what must not be written over, ascending: that, and whatever else somebody may still want
   * @throws ThinError ENOSPC when there are not enough free blocks below the new end
   */
  constructor(sizeBlocks: number, mapped: () => Iterable<Extent>, kept: () => Iterable<Extent>) {
    this.sizeBlocks = sizeBlocks;
    this.movedBlocks = sumOf(above(mapped(), sizeBlocks));
    const free = sumOf(gaps(kept(), sizeBlocks));
    if (this.movedBlocks > free) {
      throw new ThinError(
        "ENOSPC",
        `Cannot shrink the pool to ${sizeBlocks} data blocks: ${this.movedBlocks} blocks lie above that and ${free} are free below. It takes ${this.movedBlocks - free} blocks more.`,
      );
    }
    this.#plan(above(mapped(), sizeBlocks), gaps(kept(), sizeBlocks));
  }

  /** Data blocks up to the last that is moved, or that is left in place. */
  get endBlock(): number {
    const last = this.#moves.rows - 1;
    return last < 0 ? this.sizeBlocks : this.#moves.get(last, fromColumn) + this.#moves.get(last, blocksColumn);
  }

  *[Symbol.iterator](): IterableIterator<BlockMove> {
    for (let row = 0; row < this.#moves.rows; row++) {
      yield {
        from: this.#moves.get(row, fromColumn),
        to: this.#moves.get(row, toColumn),
        blocks: this.#moves.get(row, blocksColumn),
      };
    }
  }

  /**
   * Where a data block is afterwards, and how many of those behind it follow it there.
   *
   * @throws ThinError EINVAL when it lies above the new end and is not moved: it was not mapped when that was planned
   */
  placeOf(block: number): { to: number; blocks: number } {
    if (block < this.sizeBlocks) return { to: block, blocks: this.sizeBlocks - block };
    const row = this.#rowOf(block);
    const into = row < 0 ? Infinity : block - this.#moves.get(row, fromColumn);
    const left = row < 0 ? 0 : this.#moves.get(row, blocksColumn) - into;
    if (left <= 0) throw new ThinError("EINVAL", `Cannot place data block ${block}: the metadata changed meanwhile`);
    return { to: this.#moves.get(row, toColumn) + into, blocks: left };
  }

  #plan(movable: IterableIterator<Extent>, free: IterableIterator<Extent>): void {
    let hole = { begin: 0, blocks: 0 };
    for (const { begin, blocks } of movable) {
      for (let done = 0; done < blocks;) {
        if (hole.blocks === 0) hole = free.next().value as Extent;
        const length = Math.min(blocks - done, hole.blocks);
        this.#moves.add(begin + done, hole.begin, length);
        hole = { begin: hole.begin + length, blocks: hole.blocks - length };
        done += length;
      }
    }
  }

  /** The last move that begins at or before a block; -1 if there is none. */
  #rowOf(block: number): number {
    let low = 0;
    let high = this.#moves.rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#moves.get(middle, fromColumn) <= block) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function* above(extents: Iterable<Extent>, limit: number): IterableIterator<Extent> {
  for (const { begin, blocks } of extents) {
    const first = Math.max(begin, limit);
    if (first < begin + blocks) yield { begin: first, blocks: begin + blocks - first };
  }
}

function* gaps(extents: Iterable<Extent>, limit: number): IterableIterator<Extent> {
  let free = 0;
  for (const { begin, blocks } of extents) {
    if (begin >= limit) break;
    if (begin > free) yield { begin: free, blocks: begin - free };
    free = begin + blocks;
  }
  if (free < limit) yield { begin: free, blocks: limit - free };
}

function sumOf(extents: Iterable<Extent>): number {
  let sum = 0;
  for (const { blocks } of extents) sum += blocks;
  return sum;
}
