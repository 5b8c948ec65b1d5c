import type { SnapshotRecord } from "./snapshot-record.ts";
import { SnapshotterError } from "./snapshotter-error.ts";

type Labels = Readonly<Record<string, string>>;

/**
 * A snapshot's labels after an update. A label without a value is none.
 *
 * @param paths of a field mask; none: all that may be changed
 * @throws SnapshotterError invalid-argument for a field that may not be changed
 */
export function changedLabels(record: SnapshotRecord, labels: Labels, paths: readonly string[]): Labels {
  const changed = new Map(Object.entries(paths.length === 0 || paths.includes("labels") ? labels : record.labels));
  for (const path of paths) {
    if (path === "labels") continue;
    if (!path.startsWith("labels.")) {
      throw new SnapshotterError(
        "invalid-argument",
        `Cannot update '${path}' of snapshot '${record.key}': only labels may be changed`,
      );
    }
    const key = path.slice("labels.".length);
    changed.set(key, Object.hasOwn(labels, key) ? labels[key] : "");
  }
  return Object.fromEntries([...changed].filter(([, value]) => value !== ""));
}
