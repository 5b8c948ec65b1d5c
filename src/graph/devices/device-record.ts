import type { DeviceMetadata } from "../files/device-metadata.ts";

/** A device of the graph as `DeviceSet.devices()` lists it. */
export interface DeviceRecord {
  /** The graph's name for it: a layer's or container's hash, or `base`. */
  id: string;
  /** 24-bit id in the pool. */
  deviceId: number;
  sizeBytes: number;
  /** The pool's transaction in which it was made. */
  transactionId: number;
  /** Base device: its file system was made. */
  initialized: boolean;
  /** Waits for its last user to let go; then it is deleted (deferred deletion). */
  deleted: boolean;
  /** Where it is mounted, if it is. */
  mountPoint: string | undefined;
  /** Its block device, if it is active. */
  blockDevice: string | undefined;
  /** The unix socket that it is exported on by NBD, if it is. */
  exportSocket: string | undefined;
}

/** Puts together what the graph's file says of a device and what the machine does. */
export function deviceRecord(
  id: string,
  metadata: DeviceMetadata,
  live: Pick<DeviceRecord, "mountPoint" | "blockDevice" | "exportSocket">,
): DeviceRecord {
  return {
    id,
    deviceId: metadata.deviceId,
    sizeBytes: metadata.sizeBytes,
    transactionId: metadata.transactionId,
    initialized: metadata.initialized,
    deleted: metadata.deleted,
    mountPoint: live.mountPoint,
    blockDevice: live.blockDevice,
    exportSocket: live.exportSocket,
  };
}
