import type { Readable } from "node:stream";

/** The start of a stream, and a stream that gives it again and then what follows. */
export interface PeekedStream {
  /** All of it if the stream is shorter than what was asked for. */
  head: Buffer;
  rest: AsyncIterable<Buffer>;
}

/** Reads at least `bytes` bytes of a stream, unless it is shorter, without losing them. */
export async function peek(stream: Readable, bytes: number): Promise<PeekedStream> {
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < bytes) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    length += next.value.length;
  }
  const head = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  async function* rest(): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    try {
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      stream.destroy();
    }
  }
  return { head, rest: rest() };
}
