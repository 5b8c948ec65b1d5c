import { Readable, type Writable } from "node:stream";

/**
 * A stream that ends with an error when its sender stays away for too long. The time counts only while somebody waits for more: a sender
 * that is kept waiting is not idle. The source itself stays open, so that an answer can be sent to where it comes from.
 *
 * @param idleMs longest wait for a piece
 * @param late makes the error
 */
export function limitIdleSender(source: Readable, idleMs: number, late: () => Error): Readable {
  async function* pieces(): AsyncGenerator<Buffer> {
    const iterator = source.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer, undefined>;
    for (;;) {
      const next = await withinTime(iterator.next(), idleMs, late);
      if (next.done === true) return;
      yield next.value;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}

/**
 * A stage of a pipeline, just before `reader`, that destroys it when it takes nothing for too long. The time in which there is nothing to
 * read does not count.
 *
 * @param late makes the error
 */
export function limitIdleReader(
  reader: Writable,
  idleMs: number,
  late: () => Error,
): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    for await (const piece of source) {
      const timer = setTimeout(() => reader.destroy(late()), idleMs);
      try {
        yield piece;
      } finally {
        clearTimeout(timer);
      }
    }
  };
}

async function withinTime<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
