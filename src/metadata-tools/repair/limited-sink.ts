import { entryCount, keyAt } from "../../persistent-data/btree-node.ts";
import type { DeviceDetails } from "../../thin/device-record.ts";
import type { PoolDescription, PoolSink } from "../dump.ts";
import type { KeyRange } from "../tree-walk.ts";
import type { LostRange } from "./repair-report.ts";

/** Kept of each device: one fault often shows in thousands of places. */
const mostRanges = 1000;

/** What a sink was told of a device. */
export interface ToldDevice {
  readonly mappings: number;
  readonly lostRanges: readonly LostRange[];
}

/** Passes on what is told of a pool, but for mappings to data that the pool does not have; counts, and notes where something is missing. */
export class LimitedSink implements PoolSink {
  readonly #sink: PoolSink;
  readonly #told = new Map<number, ToldDevice>();
  #dataBlocks = 0;
  #device: { id: number; mappings: number; missing: MissingRanges } | undefined;
  /** Mappings that lead beyond the pool's data, in plain words. */
  readonly beyond: string[] = [];

  /** All that the leaves of a device lead to is in the pool, where a sink is told leaves. */
  readonly leaf?: NonNullable<PoolSink["leaf"]>;

  constructor(sink: PoolSink) {
    this.#sink = sink;
    if (sink.leaf === undefined) return;
    this.leaf = (block, words) => {
      const device = this.#device!;
      const count = entryCount(words);
      device.mappings += count;
      for (let entry = 0; entry < count; entry++) device.missing.tell(keyAt(words, entry), keyAt(words, entry) + 1);
      sink.leaf?.(block, words);
    };
  }

  /** What was told, by device id. */
  get told(): ReadonlyMap<number, ToldDevice> {
    return this.#told;
  }

  /** Says that the keys of a range cannot be read where the device under way should have them; some may be told later all the same. */
  lose(keys: KeyRange): void {
    this.#device?.missing.add(keys);
  }

  beginPool(pool: PoolDescription): void {
    this.#dataBlocks = pool.dataBlocks;
    this.#sink.beginPool(pool);
  }

  beginDevice(details: DeviceDetails): void {
    this.#device = { id: details.id, mappings: 0, missing: new MissingRanges() };
    this.#sink.beginDevice(details);
  }

  map(virtualBlock: number, dataBlock: number, time: number, length: number): void {
    const device = this.#device!;
    const kept = Math.max(0, Math.min(length, this.#dataBlocks - dataBlock));
    if (kept > 0) {
      device.mappings += kept;
      device.missing.tell(virtualBlock, virtualBlock + kept);
      this.#sink.map(virtualBlock, dataBlock, time, kept);
    }
    if (kept === length) return;
    device.missing.add({ lowest: virtualBlock + kept, end: virtualBlock + length });
    if (this.beyond.length === mostRanges) return;
    const what = `${length - kept} mappings from block ${virtualBlock + kept} on`;
    this.beyond.push(`thin device ${device.id}: ${what} lead beyond the pool's ${this.#dataBlocks} data blocks`);
  }

  endDevice(): void {
    const { id, mappings, missing } = this.#device!;
    this.#told.set(id, { mappings, lostRanges: missing.end() });
    this.#device = undefined;
    this.#sink.endDevice();
  }

  endPool(): void {
    this.#sink.endPool();
  }
}

/** Ranges that are missing, of which parts come later, from the lowest block up. */
class MissingRanges {
  readonly #open: { begin: number; end: number }[] = [];
  readonly #done: LostRange[] = [];

  add({ lowest, end }: KeyRange): void {
    if (this.#open.length < mostRanges) this.#open.push({ begin: lowest, end });
  }

  tell(begin: number, end: number): void {
    for (let first = this.#open.at(0); first !== undefined && first.begin < end; first = this.#open.at(0)) {
      if (first.end > begin) {
        if (first.begin < begin) this.#finish(first.begin, begin);
        first.begin = Math.max(first.begin, end);
        if (first.begin < first.end) return;
      } else this.#finish(first.begin, first.end);
      this.#open.shift();
    }
  }

  end(): LostRange[] {
    for (const { begin, end } of this.#open.splice(0)) this.#finish(begin, end);
    return this.#done;
  }

  #finish(begin: number, end: number): void {
    const last = this.#done.at(-1);
    if (last?.end === begin)
      this.#done[this.#done.length - 1] = { begin: last.begin, end: end === Infinity ? null : end };
    else if (this.#done.length < mostRanges) this.#done.push({ begin, end: end === Infinity ? null : end });
  }
}
