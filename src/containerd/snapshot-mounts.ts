import type { SnapshotRecord } from "./snapshot-record.ts";

/** How a snapshot is to be mounted, as containerd's mounts have it. */
export interface SnapshotMount {
  type: string;
  source: string;
  options: string[];
}

/**
 * A snapshot's mounts: the container's root is the file system's own. A view is mounted read-only; as its device is its own, the file system may
 * first replay there what its origin's journal still held.
 *
 * @param blockDevice the path of its device, which is active
 */
export function snapshotMounts({ kind, fileSystem }: SnapshotRecord, blockDevice: string): SnapshotMount[] {
  return [
    {
      type: fileSystem,
      source: blockDevice,
      options: [kind === "view" ? "ro" : "rw", ...(fileSystem === "xfs" ? ["nouuid"] : [])], // snapshots of one XFS share its UUID
    },
  ];
}
