import type { Readable } from "node:stream";

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
