import { MappingRuns } from "./mapping-runs.ts";
import { NumberColumns } from "./number-columns.ts";
import type { PoolReader } from "./pool-reader.ts";

/** How two devices differ in a run of blocks. */
export type DeltaKind = "left_only" | "right_only" | "different" | "same";

/**
 * Told a run of blocks, in ascending order. Where only one device maps them, or both to the same place, `leftData` and `rightData` are the
 * same.
 */
export type OnDelta = (
  kind: DeltaKind,
  virtualBlock: number,
  leftData: number,
  rightData: number,
  length: number,
) => void;

/** Compares two mapping trees, by their roots: where they map to the same data blocks, and where not. */
export function delta(reader: PoolReader, leftRoot: number, rightRoot: number, onDelta: OnDelta): void {
  const left = new RunCursor(reader, leftRoot);
  const right = new RunCursor(reader, rightRoot);
  while (left.more || right.more) {
    if (left.virtualBlock < right.virtualBlock) {
      const length = Math.min(left.length, right.virtualBlock - left.virtualBlock);
      onDelta("left_only", left.virtualBlock, left.dataBlock, left.dataBlock, length);
      left.consume(length);
    } else if (right.virtualBlock < left.virtualBlock) {
      const length = Math.min(right.length, left.virtualBlock - right.virtualBlock);
      onDelta("right_only", right.virtualBlock, right.dataBlock, right.dataBlock, length);
      right.consume(length);
    } else {
      const length = Math.min(left.length, right.length);
      const kind = left.dataBlock === right.dataBlock ? "same" : "different";
      onDelta(kind, left.virtualBlock, left.dataBlock, right.dataBlock, length);
      left.consume(length);
      right.consume(length);
    }
  }
}

/** The runs of a mapping tree, one after the other, of which pieces can be taken. Past the last lies one at infinity. */
class RunCursor {
  readonly #runs = new NumberColumns(3);
  #row = -1;
  virtualBlock = 0;
  dataBlock = 0;
  length = 0;

  constructor(reader: PoolReader, root: number) {
    const runs = new MappingRuns((virtualBlock, dataBlock, _, length) => {
      this.#runs.add(virtualBlock, dataBlock, length);
    }, "any time");
    reader.walkMappings(root, `mapping tree at metadata block ${root}`, (words) => runs.add(words));
    runs.end();
    this.#next();
  }

  get more(): boolean {
    return this.#row < this.#runs.rows;
  }

  consume(length: number): void {
    if (length === this.length) return this.#next();
    this.virtualBlock += length;
    this.dataBlock += length;
    this.length -= length;
  }

  #next(): void {
    this.#row++;
    this.virtualBlock = this.more ? this.#runs.get(this.#row, 0) : Infinity;
    this.dataBlock = this.more ? this.#runs.get(this.#row, 1) : 0;
    this.length = this.more ? this.#runs.get(this.#row, 2) : Infinity;
  }
}
