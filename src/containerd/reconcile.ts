import type { Logger } from "pino";
import { isSnapshotterDevice, type SnapshotterDevices } from "./snapshot-devices.ts";
import type { StoredSnapshots } from "./snapshot-files.ts";
import type { SnapshotRecord } from "./snapshot-record.ts";

/** What a start found. */
export interface Reconciliation {
  /** Snapshots that are whole. */
  sound: SnapshotRecord[];
  /** Records to forget: without a device, or of a key that a later record has. */
  stale: SnapshotRecord[];
  /** Devices to remove: without a record. */
  leftovers: string[];
}

/**
 * Compares records with devices, after a crash at any point: a record without a device is of a snapshot that was never handed out, or was being
 * removed; a device without a record is the same seen from the other side. While a record cannot be read, no device is a leftover.
 *
 * @param base the device that snapshots without a parent begin as
 */
export async function reconcile(
  devices: SnapshotterDevices,
  { records, damaged }: StoredSnapshots,
  base: string,
  log: Logger,
): Promise<Reconciliation> {
  for (const error of damaged) log.error(error.message);
  const present = new Set((await devices.devices()).filter(({ deleted }) => !deleted).map(({ id }) => id));
  const byKey = new Map<string, SnapshotRecord>();
  const stale: SnapshotRecord[] = [];
  for (const record of records) {
    const other = byKey.get(record.key);
    if (!present.has(record.device)) {
      const level = record.kind === "committed" ? "error" : "info";
      log[level](
        `snapshot '${record.key}' (${record.kind}) has no device: ${record.device} is missing. It is forgotten`,
      );
      stale.push(record);
    } else if (other === undefined || other.createdNs < record.createdNs) {
      if (other !== undefined) stale.push(other);
      byKey.set(record.key, record);
    } else {
      stale.push(record);
    }
  }
  const sound = [...byKey.values()];
  // Also what they began as: an empty device of other options than today's is asked for when their usage is.
  const used = new Set([base, ...sound.flatMap(({ device, origin }) => [device, origin])]);
  const leftovers = damaged.length > 0 ? [] : [...present].filter((id) => isSnapshotterDevice(id) && !used.has(id));
  return { sound, stale, leftovers };
}
