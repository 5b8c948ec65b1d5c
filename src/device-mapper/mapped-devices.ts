/** One line of a device's table: how a range of its sectors (512 bytes) is mapped. */
export interface TableSegment {
  /** First sector of the device that it maps. */
  start: number;
  /** In sectors. */
  length: number;
  /** "thin-pool", "thin", "linear", "striped", "zero", "error"; the kernel may have others. */
  target: string;
  /** What follows the target's name, such as "/dev/loop3 0" of a linear one. */
  parameters: string;
}

/** A status line is a segment whose parameters are what its target says of itself. */
export type StatusSegment = TableSegment;

/** What the device mapper itself knows of a device. */
export interface MappedDeviceInfo {
  name: string;
  /** "" where it has none. */
  uuid: string;
  /** Its number: what `ls`, `deps` and `info -c` print. In user space that of its loop device; 0:0 before it has one. */
  major: number;
  minor: number;
  /** How often it is open: mounts, programs, and devices that stand on it. */
  openCount: number;
  eventNumber: number;
  suspended: boolean;
  readOnly: boolean;
  /** There is a table in force. */
  liveTable: boolean;
  /** There is one that was loaded and waits for `resume`. */
  inactiveTable: boolean;
  /** Segments of the table in force. */
  targetCount: number;
  /** It goes when its last user closes it. */
  deferredRemove: boolean;
}

/** A device as `list` has it. */
export interface ListedDevice {
  name: string;
  major: number;
  minor: number;
}

/** A kind of target that tables may name. */
export interface TargetVersion {
  name: string;
  version: readonly [number, number, number];
}

/** As BIOSes once saw disks. */
export interface DeviceGeometry {
  cylinders: number;
  heads: number;
  /** In a track. */
  sectors: number;
  /** Where the device begins on the disk, in sectors. */
  start: number;
}

/** Which of a device's two tables is asked for: the one in force, or the one that was loaded and waits. */
export type TableSlot = "live" | "inactive";

/**
 * The device mapper as `dmsetup` knows it: devices with two table slots, made and changed step by step, each step the kernel's ioctl of that name
 * (Linux, include/uapi/linux/dm-ioctl.h). `DeviceMapper` is the same devices as the graph needs them. Names are device names, no paths. All methods throw
 * DeviceMapperError, whose `code` is the errno that the kernel's ioctl gives in that case.
 */
export interface MappedDevices {
  readonly kind: "userspace" | "kernel";
  /** Of the library, and of the driver ("4.47.0"). */
  version(): Promise<{ library: string; driver: string }>;
  /** Kinds of targets, newest first as the kernel lists them. */
  targets(): Promise<TargetVersion[]>;

  /** DM_DEV_CREATE: an empty device, without table. EBUSY when the name or the uuid is another's. */
  create(name: string, options?: { uuid?: string; minor?: number }): Promise<void>;
  /** DM_TABLE_LOAD: into the inactive slot. EINVAL for a table that its targets refuse, ENXIO without such a device. */
  load(name: string, table: readonly TableSegment[], options?: { readOnly?: boolean }): Promise<void>;
  /** DM_TABLE_CLEAR: empties the inactive slot. */
  clear(name: string): Promise<void>;
  /** DM_DEV_SUSPEND: I/O waits from now on. `noFlush`: what is under way waits too; `noLockFs`: a mounted file system is not frozen first. */
  suspend(name: string, options?: { noFlush?: boolean; noLockFs?: boolean }): Promise<void>;
  /** DM_DEV_SUSPEND without the flag: an inactive table comes into force, and I/O goes on. */
  resume(name: string): Promise<void>;
  /** DM_DEV_REMOVE: EBUSY while it is in use, unless deferred. */
  remove(name: string, options?: { deferred?: boolean }): Promise<void>;
  /** DM_DEV_RENAME. EBUSY when the new name is another's. */
  rename(name: string, newName: string): Promise<void>;
  /** DM_DEV_RENAME with the flag: gives a device that has none a uuid. EINVAL when it has one. */
  setUuid(name: string, uuid: string): Promise<void>;
  /** DM_TARGET_MSG to the target at a sector. @returns the answer, "" without one */
  message(name: string, sector: number, message: string): Promise<string>;
  /**
   * Many messages to one target, in order, at the engine's own speed: committed together at the end. Stops at the first that fails.
   *
   * @throws DeviceMapperError its `done` says how many were carried out and are kept
   */
  messages(name: string, sector: number, messages: readonly string[]): Promise<void>;
  /** DM_TABLE_STATUS with DM_STATUS_TABLE_FLAG; empty where that slot is. */
  table(name: string, slot?: TableSlot): Promise<TableSegment[]>;
  /** DM_TABLE_STATUS. A pool commits first, unless `noFlush`. */
  status(name: string, options?: { noFlush?: boolean; slot?: TableSlot }): Promise<StatusSegment[]>;
  /** DM_TABLE_DEPS: block devices that a table stands on. */
  deps(name: string, slot?: TableSlot): Promise<{ major: number; minor: number }[]>;
  /** DM_DEV_STATUS. undefined when there is none. */
  info(name: string): Promise<MappedDeviceInfo | undefined>;
  /** DM_LIST_DEVICES, in the order of the kernel's mapper: by name. */
  list(): Promise<ListedDevice[]>;
  /** DM_DEV_WAIT: resolves with the event number once it is another than `afterEventNumber`. */
  waitForEvent(name: string, afterEventNumber: number, signal?: AbortSignal): Promise<number>;
  /** Makes the nodes in /dev/mapper right: of one device, or of all. */
  makeNodes(name?: string): Promise<void>;
  /** DM_DEV_SET_GEOMETRY. Not where devices have none. */
  setGeometry?(name: string, geometry: DeviceGeometry): Promise<void>;
}
