import type { DeviceDetails } from "../thin/device-record.ts";
import type { PoolDescription, PoolSink } from "./dump.ts";
import { literal, type TextWriter } from "./text-writer.ts";

const beginning = literal('begin superblock: ""');
const comma = literal(", ");
const newline = literal("\n");
const device = ["device: ", "mapped_blocks: ", "transaction: ", "creation time: ", "snap time: "].map(literal);
const single = ["    ", " -> "].map(literal);
const range = ["    (", "..", ") -> (", "), "].map(literal);
const ending = literal("end superblock\n");

/** A dump for a reader, byte for byte as `thin_dump --format human_readable` 0.9.0 writes it. */
export class PoolTextWriter implements PoolSink {
  readonly #out: TextWriter;

  constructor(out: TextWriter) {
    this.#out = out;
  }

  beginPool({ time, transactionId, flags, version, dataBlockSize, dataBlocks }: PoolDescription): void {
    this.#out.text(beginning);
    for (const value of [time, transactionId, flags, version, dataBlockSize, dataBlocks]) {
      this.#out.text(comma).number(value);
    }
    this.#out.text(newline);
  }

  beginDevice({ id, mappedBlocks, transactionId, creationTime, snapshottedTime }: DeviceDetails): void {
    for (const [i, value] of [id, mappedBlocks, transactionId, creationTime, snapshottedTime].entries()) {
      this.#out.text(device[i]).number(value).text(newline);
    }
  }

  map(virtualBlock: number, dataBlock: number, time: number, length: number): void {
    if (length === 1) {
      this.#out.text(single[0]).number(virtualBlock).text(single[1]).number(dataBlock).text(comma);
    } else {
      this.#range(range[0], virtualBlock, length);
      this.#range(range[2], dataBlock, length);
      this.#out.text(range[3]);
    }
    this.#out.number(time).text(newline);
  }

  endDevice(): void {
    this.#out.text(newline);
  }

  endPool(): void {
    this.#out.text(ending);
  }

  #range(before: Uint8Array, first: number, length: number): void {
    this.#out
      .text(before)
      .number(first)
      .text(range[1])
      .number(first + length - 1);
  }
}
