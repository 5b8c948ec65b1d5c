import { ThinError } from "../../thin/errors.ts";
import type { PoolDescription, PoolSink } from "../dump.ts";
import type { Extent } from "../free-extents.ts";
import { NumberColumns } from "../number-columns.ts";
import { radixOrder } from "../radix-order.ts";

const beginColumn = 0;
const endColumn = 1;

/** A sink that keeps which data blocks a pool's devices map, however many of them do. Takes memory by the run, not by the block. */
export class UsedExtents implements PoolSink {
  readonly #runs = new NumberColumns(2);
  #description: PoolDescription | undefined;
  /** In which the runs ascend; undefined after one was added. */
  #order: Uint32Array | undefined;

  /** What the dump told of the pool. */
  get description(): PoolDescription {
    return this.#description!;
  }

  beginPool(pool: PoolDescription): void {
    this.#description = pool;
  }

  beginDevice(): void {
    // Whose the blocks are makes no difference.
  }

  /** @throws ThinError EINVAL when the pool has no such blocks */
  map(_virtualBlock: number, dataBlock: number, _time: number, length: number): void {
    const { dataBlocks } = this.description;
    if (dataBlock + length > dataBlocks) {
      const last = dataBlock + length - 1;
      throw new ThinError(
        "EINVAL",
        `Cannot read the mappings: one leads to data block ${last}, and the pool has ${dataBlocks} blocks. Run thin_check and thin_repair.`,
      );
    }
    this.#order = undefined;
    this.#runs.add(dataBlock, dataBlock + length);
  }

  endDevice(): void {
    // Nor where one ends.
  }

  endPool(): void {
    // All is there.
  }

  /** What is mapped, in ascending order; between two of them lies at least one free block. */
  *extents(): IterableIterator<Extent> {
    let begin = 0;
    let end = 0;
    this.#order ??= radixOrder(this.#runs.rows, (index) => this.#runs.get(index, beginColumn));
    for (const row of this.#order) {
      const next = this.#runs.get(row, beginColumn);
      if (next > end) {
        if (end > begin) yield { begin, blocks: end - begin };
        begin = next;
      }
      end = Math.max(end, this.#runs.get(row, endColumn));
    }
    if (end > begin) yield { begin, blocks: end - begin };
  }
}
