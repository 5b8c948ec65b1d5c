import { alignedBuffer } from "../linux/aligned-buffer.ts";
import { mostDataBytes } from "./stream/format.ts";

/** What direct I/O asks for, everywhere. */
const alignmentBytes = 4096;

/** Memory for the data frames that are under way, aligned for direct I/O. Who takes one when there is none waits. */
export class BufferPool {
  readonly #free: Buffer[];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];

  /** @param count how many; each holds the longest data frame */
  constructor(count: number) {
    this.#free = Array.from({ length: count }, () => alignedBuffer(mostDataBytes, alignmentBytes));
  }

  take(): Promise<Buffer> {
    const buffer = this.#free.pop();
    if (buffer !== undefined) return Promise.resolve(buffer);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}
