import type { DeviceDetails } from "../thin/device-record.ts";
import type { PoolDescription, PoolSink } from "./dump.ts";
import { literal, type TextWriter } from "./text-writer.ts";

const quote = literal('"');
const close = literal('">\n');
const pool = [
  '<superblock uuid="" time="',
  ' transaction="',
  ' flags="',
  ' version="',
  ' data_block_size="',
  ' nr_data_blocks="',
].map(literal);
const endOfPool = literal("</superblock>\n");
const device = ['  <device dev_id="', ' mapped_blocks="', ' transaction="', ' creation_time="', ' snap_time="'].map(
  literal,
);
const endOfDevice = literal("  </device>\n");
const single = ['    <single_mapping origin_block="', '" data_block="', '" time="', '"/>\n'].map(literal);
const range = ['    <range_mapping origin_begin="', '" data_begin="', '" length="', '" time="', '"/>\n'].map(literal);

/** A dump in XML, byte for byte as thin_dump 0.9.0 writes it; thin_restore reads it. */
export class PoolXmlWriter implements PoolSink {
  readonly #out: TextWriter;

  constructor(out: TextWriter) {
    this.#out = out;
  }

  beginPool({ time, transactionId, flags, version, dataBlockSize, dataBlocks }: PoolDescription): void {
    this.#attributes(pool, [time, transactionId, flags, version, dataBlockSize, dataBlocks]);
  }

  beginDevice({ id, mappedBlocks, transactionId, creationTime, snapshottedTime }: DeviceDetails): void {
    this.#attributes(device, [id, mappedBlocks, transactionId, creationTime, snapshottedTime]);
  }

  map(virtualBlock: number, dataBlock: number, time: number, length: number): void {
    if (length === 1) {
      this.#out.text(single[0]).number(virtualBlock).text(single[1]).number(dataBlock);
      this.#out.text(single[2]).number(time).text(single[3]);
    } else {
      this.#out.text(range[0]).number(virtualBlock).text(range[1]).number(dataBlock);
      this.#out.text(range[2]).number(length).text(range[3]).number(time).text(range[4]);
    }
  }

  endDevice(): void {
    this.#out.text(endOfDevice);
  }

  endPool(): void {
    this.#out.text(endOfPool);
  }

  #attributes(names: readonly Uint8Array[], values: readonly number[]): void {
    for (const [i, name] of names.entries()) {
      if (i > 0) this.#out.text(quote);
      this.#out.text(name).number(values[i]);
    }
    this.#out.text(close);
  }
}
