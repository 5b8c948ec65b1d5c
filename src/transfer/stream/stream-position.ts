import { createHash } from "node:crypto";
import * as v from "valibot";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** What was sent up to a place: totals, and the digest of all frames so far. */
export const streamTotalsSchema = v.strictObject({
  records: count,
  /** Bytes of the device in data frames. */
  dataBytes: count,
  /** Bytes of the device in frames of zeroes. */
  zeroBytes: count,
  /** SHA-256, in hexadecimal digits: each frame's is over the digest before it and the frame. */
  digest,
});
export type StreamTotals = v.InferOutput<typeof streamTotalsSchema>;

/** A place between two frames, from which a stream can go on. */
export const streamPositionSchema = v.strictObject({
  ...streamTotalsSchema.entries,
  /** Everything of the device below it was sent. */
  offsetBytes: count,
});
export type StreamPosition = v.InferOutput<typeof streamPositionSchema>;

/** The place behind the header frame of a stream that begins at the beginning. */
export function firstPosition(beginning: readonly Uint8Array[]): StreamPosition {
  return { offsetBytes: 0, records: 0, dataBytes: 0, zeroBytes: 0, digest: digestOf(beginning) };
}

/** The place behind a frame of data or zeroes. */
export function positionAfter(
  before: StreamPosition,
  frame: { kind: "data" | "zeroes"; offsetBytes: number; lengthBytes: number },
  bytes: readonly Uint8Array[],
): StreamPosition {
  return {
    offsetBytes: frame.offsetBytes + frame.lengthBytes,
    records: before.records + 1,
    dataBytes: before.dataBytes + (frame.kind === "data" ? frame.lengthBytes : 0),
    zeroBytes: before.zeroBytes + (frame.kind === "zeroes" ? frame.lengthBytes : 0),
    digest: digestOf([Buffer.from(before.digest, "hex"), ...bytes]),
  };
}

/** Without the place. */
export function totalsOf({ records, dataBytes, zeroBytes, digest: sum }: StreamPosition): StreamTotals {
  return { records, dataBytes, zeroBytes, digest: sum };
}

function digestOf(parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
