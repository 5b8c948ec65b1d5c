import * as v from "valibot";

/** Active: may be written and committed. View: may only be read. Committed: a layer, which others begin as. */
export type SnapshotKind = "view" | "active" | "committed";

/** File systems a snapshot may have. */
export type SnapshotFileSystem = "ext4" | "xfs";

const nanoseconds = v.pipe(
  v.string(),
  v.regex(/^\d{1,19}$/, "it has to be a number of nanoseconds since 1970"),
  v.transform((digits) => BigInt(digits)),
);

/** Labels by key. A record of valibot's own leaves out keys such as "constructor". */
export const labelsSchema = v.custom<Readonly<Record<string, string>>>(
  (value) =>
    typeof value === "object" && value !== null && Object.values(value).every((text) => typeof text === "string"),
  "it has to be a table of texts",
);

/** A snapshot's file in `$root/containerd/snapshots`: named after its device, so that it stays when a commit gives the snapshot another name. */
export const snapshotRecordSchema = v.object({
  key: v.pipe(v.string(), v.minLength(1)),
  kind: v.picklist(["view", "active", "committed"]),
  /** The key of a committed snapshot; "" where it began empty. */
  parent: v.string(),
  device: v.string(),
  /** The device it began as: its parent's, or an empty one. */
  origin: v.string(),
  fileSystem: v.picklist(["ext4", "xfs"]),
  labels: labelsSchema,
  createdNs: nanoseconds,
  updatedNs: nanoseconds,
  /** Of a committed snapshot: what it holds beyond its parent. */
  usageBytes: v.exactOptional(v.pipe(v.number(), v.safeInteger())),
});

/** All that the snapshotter knows of one snapshot. Times are nanoseconds since 1970. */
export type SnapshotRecord = Readonly<v.InferOutput<typeof snapshotRecordSchema>>;

/** What is written of it. */
export function snapshotRecordToJson(record: SnapshotRecord): unknown {
  return { ...record, createdNs: String(record.createdNs), updatedNs: String(record.updatedNs) };
}
