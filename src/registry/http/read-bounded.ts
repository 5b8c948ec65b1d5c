import type { Readable } from "node:stream";
import type { HttpResponse } from "./transport.ts";

/** What is read of a body only so that its connection can be used again. */
const MAX_DISCARDED_BYTES = 64 << 10;

/** Reads a body that has reason to be small. @returns undefined when it is longer than `maxBytes`, and then reads no further */
export async function readBounded(body: Readable, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined; // which destroys the body
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Is done with an answer whose body says nothing. */
export async function discard({ headers, body }: Pick<HttpResponse, "headers" | "body">): Promise<void> {
  if (Number(headers["content-length"] ?? Infinity) <= MAX_DISCARDED_BYTES) {
    await readBounded(body, MAX_DISCARDED_BYTES).catch(() => undefined); // it broke off: just as well
  }
  body.destroy();
}
