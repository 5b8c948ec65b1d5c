/** Docker's GetMetadata: all values are text. */
export interface DeviceDriverData {
  DeviceId: string;
  /** Bytes. */
  DeviceSize: string;
  /** The device mapper's name for it. */
  DeviceName: string;
}

/** `DeviceSet.deviceStatus()`. */
export interface DeviceStatus {
  deviceId: number;
  sizeBytes: number;
  transactionId: number;
  mappedSectors: number;
  /** undefined where nothing is mapped. */
  highestMappedSector: number | undefined;
  /** undefined while it is not active. */
  blockDevice: string | undefined;
}

/** What one device holds in the pool. */
export interface DeviceUsage {
  id: string;
  deviceId: number;
  mappedBytes: number;
  /** What deleting it would free. */
  exclusiveBytes: number;
}

/** Where a virtual block of a device lives. */
export interface GraphBlockLocation {
  /** Pool blocks are this long. */
  blockSizeBytes: number;
  /** Block of the data device; undefined where nothing is mapped. */
  dataBlock: number | undefined;
  /** The pool's time when it was written. */
  time: number | undefined;
  /** The devices that share it, this one too, by the graph's names; `#7` for a thin device the graph does not know. */
  owners: string[];
  /** The oldest of the owners: the layer that wrote it, as far as it still exists. */
  writer: string | undefined;
}
