import type { Readable } from "node:stream";

/** Bytes of a stream, as many as are asked for. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #stopListening: () => void;
  #chunk: Buffer = Buffer.alloc(0);
  /** How many were taken. */
  bytes = 0;

  /** @param signal ends the stream */
  constructor(input: Readable, signal: AbortSignal | undefined) {
    const stop = (): void => void input.destroy(signal?.reason as Error);
    signal?.addEventListener("abort", stop, { once: true });
    this.#stopListening = () => signal?.removeEventListener("abort", stop);
    if (signal?.aborted === true) stop();
    this.#chunks = input[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Fills the memory as far as there are bytes. @returns how many there were */
  async fill(memory: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < memory.length) {
      if (this.#chunk.length === 0 && !(await this.#next())) break;
      const taken = this.#chunk.subarray(0, memory.length - filled);
      memory.set(taken, filled);
      filled += taken.length;
      this.#chunk = this.#chunk.subarray(taken.length);
    }
    this.bytes += filled;
    return filled;
  }

  /** Whether there is nothing more; waits for the stream's end. */
  async ended(): Promise<boolean> {
    return this.#chunk.length === 0 && !(await this.#next());
  }

  /** Ends the stream, whether or not all of it was read. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.#chunks.return?.();
  }

  async #next(): Promise<boolean> {
    for (;;) {
      const found = await this.#chunks.next();
      if (found.done === true) return false;
      this.#chunk = found.value;
      if (this.#chunk.length > 0) return true;
    }
  }
}
