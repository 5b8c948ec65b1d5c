import { Readable } from "node:stream";
import { RequestError } from "./protocol.ts";

/**
 * A request's body that ends with an error when its sender stays away for too long. The time counts only while somebody waits for
 * more: a sender that is kept waiting is not idle. The body itself stays open, so that an answer can be sent.
 *
 * @param idleMs longest wait for a piece
 */
export function limitIdle(body: Readable, idleMs: number): Readable {
  async function* pieces(): AsyncGenerator<Buffer> {
    const iterator = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer, undefined>;
    for (;;) {
      const next = await withinTime(iterator.next(), idleMs);
      if (next.done === true) return;
      yield next.value;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}

async function withinTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new RequestError(408, `Cannot read the request: its sender was silent for ${ms / 1000} s`)),
      ms,
    );
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
