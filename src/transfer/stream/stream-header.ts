import * as v from "valibot";
import { isContainerName } from "../../image/container-name.ts";
import { sectorBytes } from "./format.ts";
import { streamPositionSchema } from "./stream-position.ts";

/** 64 hexadecimal digits that tell a snapshot from all others. */
export const identitySchema = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(sectorBytes), v.multipleOf(sectorBytes));
const shortText = v.pipe(v.string(), v.maxLength(1024));
const containerName = v.pipe(v.string(), v.check(isContainerName, "no name of a container"));

/** The header frame's payload, as JSON. */
export const streamHeaderSchema = v.strictObject({
  /** Of the device. */
  sizeBytes: size,
  /** Of the pool that it is sent from; data that differ are multiples of it, but for the device's end. */
  blockBytes: v.pipe(size, v.maxValue(2 ** 30)),
  /** What the stream gives: the snapshot's identity, or one made for this stream. */
  to: identitySchema,
  /** It gives a snapshot, which the sender keeps: so the stream can go on after a break. */
  snapshot: v.boolean(),
  /** The snapshot that the stream is an increment on. */
  from: v.exactOptional(v.strictObject({ snapshot: identitySchema, name: containerName })),
  /** Bytes that are to come, at most. */
  changedBytes: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Where the stream goes on, when it does not begin at the beginning. */
  start: v.exactOptional(streamPositionSchema),
  /** What the sender's records have of it. */
  container: v.strictObject({
    name: containerName,
    image: shortText,
    imageId: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/)),
    config: v.exactOptional(v.record(v.string(), v.unknown())),
  }),
});
export type StreamHeader = v.InferOutput<typeof streamHeaderSchema>;
