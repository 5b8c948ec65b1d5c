import { hashFor, hexOf, type Digest } from "../layer/digest.ts";
import { connectionReason, isAbsent, isPassing } from "./http/connection-failure.ts";
import type { HttpResponse } from "./http/transport.ts";
import { pauseBefore, type Patience } from "./patience.ts";
import { RegistryError } from "./registry-error.ts";

/** So much further a download has to be to count as getting on. */
const PROGRESS_BYTES = 1 << 20;

/** A blob, as a manifest names it. */
export interface BlobDescriptor {
  digest: Digest;
  sizeBytes: number;
}

/** How to download. */
export interface DownloadOptions {
  patience: Patience;
  signal: AbortSignal | undefined;
}

/**
 * Downloads a blob: where the connection breaks it goes on from there, and what comes is what the digest names, or the last step is
 * an error. (The bytes before it have been given out by then: they are to be dropped.)
 *
 * @param open asks for the blob from an offset on
 * @throws RegistryError damaged, unreachable, or what `open` threw
 */
export async function* downloadBlob(
  { digest, sizeBytes }: BlobDescriptor,
  open: (offset: number) => Promise<HttpResponse>,
  { patience, signal }: DownloadOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const hash = hashFor(digest);
  let offset = 0;
  let failures = 0;
  let reached = 0;
  while (offset < sizeBytes) {
    try {
      const response = await open(offset).catch((error: unknown) => {
        throw new Unopened(error);
      });
      for await (const chunk of rangeFrom(response, offset, digest)) {
        if (offset + chunk.length > sizeBytes)
          throw wrong(digest, `it is longer than the ${sizeBytes} bytes it should have`);
        offset += chunk.length;
        hash.update(chunk);
        yield chunk;
      }
      // Some ends look like a proper end.
      if (offset < sizeBytes) throw wrong(digest, `it ended after ${offset} of ${sizeBytes} bytes`, "passing");
    } catch (error) {
      signal?.throwIfAborted();
      const why = error instanceof Unopened ? error.cause : error;
      // It answered before: a registry that is started again is away for a moment. Else asking has had its attempts.
      if (error instanceof Unopened ? !(offset > 0 && isAbsent(why)) : !mayGoOn(why)) throw why;
      if (offset - reached >= PROGRESS_BYTES) failures = 0;
      reached = offset;
      failures++;
      if (!(await pauseBefore(failures, patience, undefined, signal))) throw gaveUp(digest, offset, sizeBytes, why);
    }
  }
  const found = hash.digest("hex");
  if (found !== hexOf(digest)) throw wrong(digest, `what came has digest ${found}`);
}

/** The body from `offset` on, whether the registry began there or at the start. */
async function* rangeFrom(
  { status, headers, body }: HttpResponse,
  offset: number,
  digest: Digest,
): AsyncGenerator<Buffer> {
  let skip = 0;
  if (status === 206) {
    const start = /^bytes (\d+)-/.exec(headers["content-range"] ?? "")?.[1];
    if (start === undefined || Number(start) !== offset) {
      body.destroy();
      throw wrong(digest, `it was asked for from byte ${offset} on and came from another`);
    }
  } else {
    skip = offset;
  }
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const dropped = Math.min(skip, chunk.length);
    skip -= dropped;
    if (dropped < chunk.length) yield dropped === 0 ? chunk : chunk.subarray(dropped);
  }
}

class EarlyEnd extends RegistryError {}

/** Asking failed, not what came. */
class Unopened extends Error {
  constructor(cause: unknown) {
    super("not opened", { cause });
  }
}

function wrong(digest: Digest, why: string, kind?: "passing"): RegistryError {
  const message = `Cannot use blob ${digest} of the registry: ${why}`;
  return kind === "passing" ? new EarlyEnd("damaged", message) : new RegistryError("damaged", message);
}

function mayGoOn(error: unknown): boolean {
  return error instanceof EarlyEnd || isPassing(error);
}

function gaveUp(digest: Digest, offset: number, sizeBytes: number, cause: unknown): RegistryError {
  if (cause instanceof EarlyEnd) return cause;
  const why = connectionReason(cause);
  return new RegistryError(
    "unreachable",
    `Cannot download blob ${digest}: the connection broke at byte ${offset} of ${sizeBytes}, again and again: ${why}`,
    { cause },
  );
}
