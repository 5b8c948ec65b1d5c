import * as v from "valibot";
import { crc32c } from "../linux/crc32c.ts";
import { identitySchema } from "./stream/stream-header.ts";
import { streamPositionSchema } from "./stream/stream-position.ts";
import { TransferError } from "./transfer-error.ts";

const beginning = "mica1.";

const tokenSchema = v.strictObject({
  to: identitySchema,
  from: v.exactOptional(identitySchema),
  position: streamPositionSchema,
});

/** What a sender has to know to go on with a stream that broke off. */
export type ResumePoint = v.InferOutput<typeof tokenSchema>;

/** A resume point as one word, to be copied from the receiver to the sender. */
export function formatResumeToken(point: ResumePoint): string {
  const body = Buffer.from(JSON.stringify(point)).toString("base64url");
  return `${beginning}${body}.${crc32c(body).toString(16)}`;
}

/** @throws TransferError invalid: it was not copied whole */
export function parseResumeToken(token: string): ResumePoint {
  const [body = "", checksum] = token.slice(beginning.length).split(".");
  if (token.startsWith(beginning) && token.length < 4096 && checksum === crc32c(body).toString(16)) {
    try {
      const result = v.safeParse(tokenSchema, JSON.parse(Buffer.from(body, "base64url").toString("utf8")));
      if (result.success) return result.output;
    } catch {
      // No JSON: refused below.
    }
  }
  throw new TransferError(
    "invalid",
    "Cannot resume: the token is not one that `mica receive --pending` prints. Copy all of it",
  );
}
