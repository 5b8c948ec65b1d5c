import { closeSync, fsync } from "node:fs";
import { promisify } from "node:util";
import { blockDiscardAsync } from "../linux/block-device.ts";
import { BufferPool } from "./buffer-pool.ts";
import { openDevice, readFully, writeFully } from "./device-access.ts";
import { mostDataBytes } from "./stream/format.ts";
import type { StreamRecord } from "./stream/stream-reader.ts";

const syncFile = promisify(fsync);

/** Buffers: being read, and being written. */
const depth = 6;

const zeroes = Buffer.alloc(mostDataBytes);

/** Writes what a stream says to a device, some of it at a time. */
export class DeviceWriter {
  /** Where the stream's data are to be. */
  readonly buffers = new BufferPool(depth);
  readonly #fd: number;
  readonly #isBlank: boolean;
  readonly #writing = new Set<Promise<void>>();
  #failure: unknown;

  /**
   * @param path its block device; nobody else may have it open
   * @param contents "blank": it reads as zeroes wherever this did not write
   */
  constructor(path: string, contents: "blank" | "a base's") {
    this.#isBlank = contents === "blank";
    this.#fd = openDevice(path, "write");
  }

  /** Begins to write a record. @throws what an earlier one met */
  async write(record: StreamRecord): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure as Error;
    if (record.kind === "zeroes") {
      if (!this.#isBlank) await this.#empty(record.offsetBytes, record.lengthBytes);
      return;
    }
    const writing = writeFully(this.#fd, record.data, record.offsetBytes)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.buffers.give(record.buffer);
        this.#writing.delete(writing);
      });
    this.#writing.add(writing);
  }

  /** All that was written is on the disk when it resolves. */
  async sync(): Promise<void> {
    await Promise.all(this.#writing);
    if (this.#failure !== undefined) throw this.#failure as Error;
    await syncFile(this.#fd);
  }

  async close(): Promise<void> {
    await Promise.all(this.#writing);
    closeSync(this.#fd);
  }

  /** Discards a range, and writes zeroes where that leaves others: whole blocks alone are discarded, and not on every pool. */
  async #empty(offsetBytes: number, lengthBytes: number): Promise<void> {
    await blockDiscardAsync(this.#fd, offsetBytes, lengthBytes).catch(() => undefined);
    const buffer = await this.buffers.take();
    try {
      for (let done = 0; done < lengthBytes; done += mostDataBytes) {
        const memory = buffer.subarray(0, Math.min(mostDataBytes, lengthBytes - done));
        await readFully(this.#fd, memory, offsetBytes + done);
        if (memory.equals(zeroes.subarray(0, memory.length))) continue;
        memory.fill(0);
        await writeFully(this.#fd, memory, offsetBytes + done);
      }
    } finally {
      this.buffers.give(buffer);
    }
  }
}
