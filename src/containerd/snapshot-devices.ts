import { randomBytes } from "node:crypto";
import type { DeviceSet } from "../graph/device-set.ts";
import type { SnapshotFileSystem } from "./snapshot-record.ts";
import { formatName, type SnapshotterSettings } from "./snapshotter-options.ts";

/** What the snapshotter needs of the graph. */
export type SnapshotterDevices = Pick<
  DeviceSet,
  | "root"
  | "options"
  | "create"
  | "ensureFormatted"
  | "remove"
  | "retryDeletions"
  | "devices"
  | "activate"
  | "deactivate"
  | "settle"
  | "addedBytes"
>;

/** All devices of the snapshotter's are named so, and no others. */
const prefix = "containerd-";
const basePrefix = "containerd-base-";

/** A name that no device has. */
export function newDeviceName(): string {
  return `${prefix}${randomBytes(8).toString("hex")}`;
}

export function isSnapshotterDevice(device: string): boolean {
  return device.startsWith(prefix);
}

/** What snapshots without a parent begin as: a device with an empty file system, one for each format that the options ever asked for. */
export interface Origin {
  device: string;
  fileSystem: SnapshotFileSystem;
}

/** The origin that the options ask for. */
export function baseOrigin({ base }: SnapshotterSettings): Origin {
  return { device: `${basePrefix}${formatName(base)}`, fileSystem: base.fileSystem };
}
