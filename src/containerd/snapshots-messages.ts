import * as v from "valibot";
import { labelsSchema } from "./snapshot-record.ts";

/** containerd's own keys have a namespace, a number and a name. A key has to be a label's value in some of its calls, too. */
const maximumKeyBytes = 4096;
/** containerd's limit for a label's key and value together. */
const maximumLabelBytes = 4096;
const maximumLabels = 1024;

const shortText = v.pipe(v.string(), v.maxBytes(maximumKeyBytes, `it may have at most ${maximumKeyBytes} bytes`));
const key = v.pipe(shortText, v.minLength(1, "it must not be empty"));
const labels = v.pipe(
  labelsSchema,
  v.check((entries) => Object.keys(entries).length <= maximumLabels, `there may be at most ${maximumLabels}`),
  v.check(
    (entries) =>
      Object.entries(entries).every(
        ([name, text]) => Buffer.byteLength(name) + Buffer.byteLength(text) <= maximumLabelBytes,
      ),
    `a label's key and value may have at most ${maximumLabelBytes} bytes together`,
  ),
);

/** What requests must hold; what else is in them is of no matter. The names are the protocol's. */
export const prepareRequest = v.object({ key, parent: shortText, labels });
export const keyRequest = v.object({ key });
export const commitRequest = v.object({ name: key, key, labels });
export const updateRequest = v.object({
  info: v.object({ name: key, labels }),
  updateMask: v.nullable(v.object({ paths: v.pipe(v.array(shortText), v.maxLength(maximumLabels)) })),
});
export const listRequest = v.object({
  filters: v.pipe(v.array(shortText), v.maxLength(100, "there may be at most 100")),
});

/** containerd.types.Mount */
export interface MountMessage {
  type: string;
  source: string;
  target: string;
  options: string[];
}

interface TimestampMessage {
  seconds: number;
  nanos: number;
}

/** containerd.services.snapshots.v1.Info */
export interface InfoMessage {
  name: string;
  parent: string;
  kind: "VIEW" | "ACTIVE" | "COMMITTED";
  createdAt: TimestampMessage;
  updatedAt: TimestampMessage;
  labels: Record<string, string>;
}

/** google.protobuf.Timestamp of nanoseconds since 1970. */
export function timestampMessage(nanoseconds: bigint): TimestampMessage {
  return { seconds: Number(nanoseconds / 1_000_000_000n), nanos: Number(nanoseconds % 1_000_000_000n) };
}
