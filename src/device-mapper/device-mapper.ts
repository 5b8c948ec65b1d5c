import type { ChangedBlocks } from "../metadata-tools/changed-blocks.ts";

export type { ChangedBlocks, ChangedRun } from "../metadata-tools/changed-blocks.ts";

/** What a device mapper knows of one device without asking its target. */
export interface DeviceInfo {
  name: string;
  target: "thin-pool" | "thin";
  /** Where the device can be opened, such as "/dev/loop3"; undefined for a pool of the userspace mapper. */
  blockDevice: string | undefined;
  /** Its number; undefined where there is no block device. */
  major: number | undefined;
  minor: number | undefined;
  /** Someone has it open: a mount, or another program. A pool is open while it has active volumes. */
  open: boolean;
  /** How often it is open. The userspace mapper knows only whether a volume is: then it says 1. */
  openCount: number;
  suspended: boolean;
  /** It goes when its last user closes it. */
  deferredRemove: boolean;
  /** Goes up at each event: see `waitForEvent`. */
  eventNumber: number;
  /** Only the kernel's devices have one, and not all of them. */
  uuid: string | undefined;
  /** The table that is in force, as `table()` gives it. */
  tableLine: string;
}

/** A thin device, active or not, as the pool's metadata have it. */
export interface ThinDeviceDetails {
  id: number;
  /** In pool blocks. */
  mappedBlocks: number;
  /** The pool's transaction id when the device was made. */
  transactionId: number;
  creationTime: number;
  snapshottedTime: number;
}

/** What one thin device holds, in pool blocks. */
export interface ThinDeviceUsage extends ThinDeviceDetails {
  /** Blocks that no other device maps: what deleting it would free. */
  exclusiveBlocks: number;
}

/** What all thin devices of a pool hold. */
export interface PoolUsage {
  blockSizeSectors: number;
  devices: ThinDeviceUsage[];
}

/** Where a virtual block of a thin device lives. */
export interface BlockLocation {
  /** Block of the data device, or undefined where nothing is mapped. */
  dataBlock: number | undefined;
  /** The pool's time when it was mapped. */
  time: number | undefined;
  /** Ids of all thin devices that map the same data block, this one too. */
  owners: number[];
}

/**
 * Whether a message is on disk when it is answered ("at once", as the kernel has it), or with the pool's next commit, which a
 * later message that is part of the same change brings. A device mapper may always do it at once.
 */
export type MessageDurability = "at once" | "with the next commit";

/**
 * The device mapper as the graph needs it: tables and messages are the kernel's (thin-provisioning.rst), whoever serves them.
 * Devices outlive the process that made them. All methods throw DeviceMapperError.
 */
export interface DeviceMapper {
  readonly kind: "userspace" | "kernel";
  /** For `docker info`'s "Library Version". */
  readonly libraryVersion: string;
  readonly udevSyncSupported: boolean;
  readonly supportsDeferredRemoval: boolean;
  /** Where another process finds the same devices: the folder of pools that run; undefined where they are the machine's. */
  readonly runDir?: string;

  /**
   * Makes and starts a device. EEXIST when there is one of that name.
   *
   * @param table `0 SECTORS thin-pool META DATA BLOCKSECTORS LOWWATER [N features…]`, or `0 SECTORS thin POOL ID [ORIGIN]`
   *   where POOL is a name or a /dev/mapper path
   * @returns where the device can be opened, as `info()` has it
   */
  create(name: string, table: string): Promise<string | undefined>;
  /** Puts another table in force: grows pools and volumes while they are used. */
  reload(name: string, table: string): Promise<void>;
  /**
   * I/O waits from now on, and what was accepted is on the disk, a mounted file system's cache too. With `noFlush` it is not: I/O under way
   * waits as well, and so a full pool's devices can be suspended, whose I/O would never end. (A flushing suspension of one would keep the pool
   * itself from being given more space.)
   */
  suspend(name: string, options?: { noFlush?: boolean }): Promise<void>;
  resume(name: string): Promise<void>;
  /**
   * What was written to a thin device is on the disk when it resolves, with all that a file system mounted from it has in memory. The kernel's is
   * suspended for that moment: not for who may be suspending it.
   */
  flush(name: string): Promise<void>;
  /** ENXIO when there is none; EBUSY when it is in use, unless deferred: then it goes at the last close. */
  remove(name: string, options?: { deferred?: boolean }): Promise<void>;
  cancelDeferredRemoval(name: string): Promise<void>;
  /** A pool's message, such as `create_snap 2 1`; the answer is "" unless the message has one. EEXIST, ENODATA, EINVAL, EBUSY. */
  message(name: string, message: string, durability?: MessageDurability): Promise<string>;
  /**
   * Many messages to a pool, in order, up to the first that fails. In user space they cost what they cost the engine, and are committed together at the
   * end (each thousand of them, if there are more); the kernel commits each.
   *
   * @throws DeviceMapperError its `done` says how many were carried out and are kept
   */
  messages(name: string, messages: readonly string[]): Promise<void>;
  /** `0 SECTORS thin-pool …` or `0 SECTORS thin …` as dm-thin prints it. */
  status(name: string): Promise<string>;
  /** As `create` takes it, but that the kernel names devices by their numbers ("254:0"), and prints features in its own order. */
  table(name: string): Promise<string>;
  /** What a device stands on: paths of a pool's metadata and data, the pool of a thin device and its external origin. In no order. */
  deps(name: string): Promise<string[]>;
  /** undefined when there is none. */
  info(name: string): Promise<DeviceInfo | undefined>;
  list(): Promise<DeviceInfo[]>;
  /**
   * Returns a device's event number once it is another than `afterEventNumber`, which `info` told or an earlier call returned. A pool has an event when
   * free data or metadata falls to its low-water mark, and when its mode changes; events may also come for no reason.
   *
   * @throws DeviceMapperError ENXIO when there is no such device, or it goes; the signal's reason when that is aborted
   */
  waitForEvent(name: string, afterEventNumber: number, signal?: AbortSignal): Promise<number>;
  /** All thin devices in a pool, active or not, by ascending id: far cheaper than `usage`. */
  thinDevices(pool: string): Promise<ThinDeviceDetails[]>;
  usage(pool: string): Promise<PoolUsage>;
  /**
   * How many pool blocks a thin device has that another, which it began as, does not have in the same place. Far cheaper than `usage`. ENODATA
   * when there is no such device.
   */
  addedBlocks(pool: string, id: number, originId: number): Promise<number>;
  /**
   * A part of what differs between a thin device and another, or of what it has mapped: from block `begin` on; the next part begins at its `next`.
   * Neither may be written to meanwhile. ENODATA when there is no such device.
   */
  changedBlocks(pool: string, id: number, originId: number | undefined, begin: number): Promise<ChangedBlocks>;
  locate(pool: string, id: number, block: number): Promise<BlockLocation>;
  /** Checks the pool's metadata as committed: problems found, none when it is clean. */
  checkMetadata(pool: string): Promise<string[]>;
  /**
   * Takes back what processes that were killed while they looked at the pool's metadata left: it may be suspended. Costs next to nothing when there
   * is nothing; none when there is no such pool. To be called before a pool that may have been in use is relied on.
   */
  recover(pool: string): Promise<void>;
}
