import type { DeviceDetails } from "../../thin/device-record.ts";
import type { PoolDescription, PoolSink } from "../dump.ts";
import type { BlockMoves } from "./block-moves.ts";

/** Tells another sink the pool as it is after its data blocks were moved. */
export class MovedSink implements PoolSink {
  readonly #sink: PoolSink;
  readonly #moves: BlockMoves;

  constructor(sink: PoolSink, moves: BlockMoves) {
    this.#sink = sink;
    this.#moves = moves;
  }

  beginPool(pool: PoolDescription): void {
    this.#sink.beginPool({ ...pool, dataBlocks: this.#moves.sizeBlocks });
  }

  beginDevice(details: DeviceDetails): void {
    this.#sink.beginDevice(details);
  }

  map(virtualBlock: number, dataBlock: number, time: number, length: number): void {
    for (let done = 0; done < length;) {
      const { to, blocks } = this.#moves.placeOf(dataBlock + done);
      const taken = Math.min(blocks, length - done);
      this.#sink.map(virtualBlock + done, to, time, taken);
      done += taken;
    }
  }

  endDevice(): void {
    this.#sink.endDevice();
  }

  endPool(): void {
    this.#sink.endPool();
  }
}
