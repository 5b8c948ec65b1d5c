import type { BlockSource } from "../file-system/block-source.ts";
import type { DataFile } from "./data-file.ts";
import { FrozenPoolError } from "./frozen-pool-error.ts";
import type { VolumeMap } from "./volume-map.ts";

/** A thin device of a stopped pool, read through its mappings: zeroes where nothing is mapped. */
export class FrozenVolume implements BlockSource {
  readonly sizeBytes: number;
  private readonly id: number;
  private readonly map: VolumeMap;
  private readonly data: DataFile;
  private readonly blockBytes: number;

  constructor(id: number, sizeBytes: number, parts: { map: VolumeMap; data: DataFile; blockBytes: number }) {
    this.id = id;
    this.sizeBytes = sizeBytes;
    this.map = parts.map;
    this.data = parts.data;
    this.blockBytes = parts.blockBytes;
  }

  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    if (position < 0 || position + length > this.sizeBytes) {
      const range = `bytes ${position} to ${position + length}`;
      throw new FrozenPoolError(
        "EINVAL",
        `Cannot read ${range} of thin device ${this.id}: it has ${this.sizeBytes} bytes`,
      );
    }
    if (this.map.lost.length > 0) this.refuseLost(position, length);
    for (let done = 0; done < length;) {
      const at = position + done;
      const skip = at % this.blockBytes;
      const { dataBlock, blocks } = this.map.find(Math.floor(at / this.blockBytes));
      const bytes = Math.min(length - done, blocks * this.blockBytes - skip);
      const into = bufferOffset + done;
      if (dataBlock === undefined) buffer.fill(0, into, into + bytes);
      else this.data.read(buffer, into, bytes, dataBlock * this.blockBytes + skip);
      done += bytes;
    }
  }

  private refuseLost(position: number, length: number): void {
    const first = Math.floor(position / this.blockBytes);
    const end = Math.ceil((position + length) / this.blockBytes);
    const lost = this.map.lost.find((range) => range.lowest < end && first < range.end);
    if (lost === undefined) return;
    throw new FrozenPoolError(
      "EIO",
      `Cannot read bytes ${position} to ${position + length} of thin device ${this.id}: where they are is lost with ` +
        `damaged metadata (${lost.fault}) Repair the metadata into a copy (thin_repair), and read that.`,
    );
  }
}
