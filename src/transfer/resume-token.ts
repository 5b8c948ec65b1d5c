import { crc32c } from "../linux/crc32c.ts";
import type { StreamPosition } from "./stream/stream-position.ts";
import { TransferError } from "./transfer-error.ts";

const beginning = "mica1.";
const digestBytes = 32;
const counts = ["offsetBytes", "records", "dataBytes", "zeroBytes"] as const;
/** Identity, base's identity or zeroes, digest, counts of 64 bits, and the checksum of all of it. */
const bodyBytes = 3 * digestBytes + 8 * counts.length;
const tokenBytes = bodyBytes + 4;
const nothing = "0".repeat(2 * digestBytes);

/** What a sender has to know to go on with a stream that broke off. */
export interface ResumePoint {
  /** Identity of the snapshot. */
  to: string;
  /** Identity of the one that it is an increment on. */
  from: string | undefined;
  position: StreamPosition;
}

/** A resume point as one word, to be copied from the receiver to the sender. */
export function formatResumeToken({ to, from, position }: ResumePoint): string {
  const bytes = Buffer.alloc(tokenBytes);
  for (const [index, hex] of [to, from ?? nothing, position.digest].entries()) {
    bytes.write(hex, index * digestBytes, "hex");
  }
  for (const [index, key] of counts.entries()) {
    bytes.writeBigUInt64LE(BigInt(position[key]), 3 * digestBytes + 8 * index);
  }
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, bodyBytes)), bodyBytes);
  return beginning + bytes.toString("base64url");
}

/** @throws TransferError invalid: it was not copied whole */
export function parseResumeToken(token: string): ResumePoint {
  const bytes = Buffer.from(token.slice(beginning.length), "base64url");
  const isWhole = token.startsWith(beginning) && bytes.length === tokenBytes;
  if (!isWhole || crc32c(bytes.subarray(0, bodyBytes)) !== bytes.readUInt32LE(bodyBytes)) {
    throw new TransferError(
      "invalid",
      "Cannot resume: the token is not one that `mica receive --pending` prints. Copy all of it",
    );
  }
  const digest = (index: number): string => bytes.toString("hex", index * digestBytes, (index + 1) * digestBytes);
  const count = (index: number): number => Number(bytes.readBigUInt64LE(3 * digestBytes + 8 * index));
  const [offsetBytes, records, dataBytes, zeroBytes] = counts.map((_, index) => count(index));
  const from = digest(1);
  return {
    to: digest(0),
    from: from === nothing ? undefined : from,
    position: { records, dataBytes, zeroBytes, digest: digest(2), offsetBytes },
  };
}
