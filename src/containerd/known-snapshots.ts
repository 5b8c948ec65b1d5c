import type { DeviceSet } from "../graph/device-set.ts";
import { SnapshotFiles } from "./snapshot-files.ts";
import type { SnapshotRecord } from "./snapshot-record.ts";

/** containerd's snapshots by their devices, for whoever does not serve them. Files that cannot be read are left out. */
export function knownSnapshots(root: string): Map<string, SnapshotRecord> {
  return new Map(new SnapshotFiles(root).read().records.map((record) => [record.device, record]));
}

/**
 * What is wrong with a graph's snapshots, a line each. Changes nothing, and may be called while they are served: what is being made or removed, or
 * was when its daemon died, is not wrong but put right at the daemon's next start.
 */
export async function checkSnapshots(root: string, devices: Pick<DeviceSet, "devices">): Promise<string[]> {
  const { records, damaged } = new SnapshotFiles(root).read();
  const present = new Set((await devices.devices()).filter(({ deleted }) => !deleted).map(({ id }) => id));
  const committed = records.filter(({ kind }) => kind === "committed");
  const layers = new Set(committed.map(({ key }) => key));
  return [
    ...damaged.map(({ message }) => message),
    ...committed
      .filter(({ device }) => !present.has(device))
      .map(({ key, device }) => `Snapshot '${key}' has no device: ${device} is missing. Have containerd remove it`),
    ...committed
      .filter(({ parent }) => parent !== "" && !layers.has(parent))
      .map(({ key, parent }) => `Snapshot '${key}' has lost its parent '${parent}'`),
  ];
}
