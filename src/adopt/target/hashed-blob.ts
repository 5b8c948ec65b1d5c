import { createHash } from "node:crypto";
import type { ArchivedLayer } from "../../image/archive-format.ts";

/** A layer's tar came out with another digest than it had: what it was made from is not as it was. */
export class LayerDigestError extends Error {
  override readonly name = "LayerDigestError";
}

/**
 * Passes a layer's tar on and takes its digest.
 *
 * @throws LayerDigestError when it is not the expected one
 */
export async function hashBlob(
  tar: AsyncIterable<Buffer>,
  expected: string | undefined,
  write: (chunk: Buffer) => void,
): Promise<ArchivedLayer> {
  const hash = createHash("sha256");
  let tarBytes = 0;
  for await (const chunk of tar) {
    hash.update(chunk);
    tarBytes += chunk.length;
    write(chunk);
  }
  const diffId = `sha256:${hash.digest("hex")}`;
  if (expected === undefined || diffId === expected) return { diffId, tarBytes };
  throw new LayerDigestError(`its files are not as they were: the tar has digest ${diffId}`);
}
