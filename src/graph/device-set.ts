import type { DeviceMapper } from "../device-mapper/device-mapper.ts";
import { activateDevice, deactivateDevice, flushDevice, type WhenBusy } from "./devices/activation.ts";
import { changeAutogrow } from "./growth/autogrow-change.ts";
import { autogrowPolicy, type AutogrowPolicy, type AutogrowSettings } from "./growth/autogrow-policy.ts";
import { checkGraph } from "./check.ts";
import type { DeferredDeletions } from "./files/deferred-deletions.ts";
import type { DeviceIds } from "./transactions/device-ids.ts";
import type { DeviceMetadata } from "./files/device-metadata.ts";
import { baseId, checkDeviceId } from "./devices/device-names.ts";
import { deviceRecord, type DeviceRecord } from "./devices/device-record.ts";
import { reportChanges, type ChangedRanges } from "./devices/changed-ranges.ts";
import type { DeviceDriverData, DeviceStatus, DeviceUsage, GraphBlockLocation } from "./devices/device-reports.ts";
import { reportAdded, reportBlock, reportStatus, reportUsage } from "./devices/device-reporting.ts";
import { ensureFormattedDevice, type DeviceFormat } from "./devices/formatted-device.ts";
import {
  endDeviceExport,
  exportDevice,
  exportSocketOf,
  type ExportedDevice,
  type ExportWish,
} from "./devices/exports.ts";
import type { GraphContext } from "./graph-context.ts";
import { GraphError } from "./graph-error.ts";
import { growPool, type GrownPool } from "./growth/growth.ts";
import { ensureMonitor } from "./growth/monitor-process.ts";
import type { PoolGrowth } from "./growth/growth-plan.ts";
import { markedForNow } from "./files/for-now.ts";
import { isSealed, sealDevice } from "./files/sealed.ts";
import { forgetLeftInPlace, leaveInPlace } from "./files/left-in-place.ts";
import type { MountedDevices, MountWish } from "./devices/mounted-devices.ts";
import { isDeviceMounted, mountPointOf } from "./devices/mount-points.ts";
import { withOriginAtRest } from "./transactions/origin-at-rest.ts";
import { removeDevice, retryDeferredDeletions, type SpaceOnRemoval } from "./devices/removal.ts";
import { stopGraph } from "./shutdown.ts";
import { statusLines } from "./pool/status-lines.ts";
import type { StorageOptions } from "./options/storage-options.ts";
import type { Transactions } from "./transactions/transactions.ts";

/** What others left to be done is done so often while a process has the graph open. */
const tidyingPeriodMs = 30_000;

/** What a device set is put together from (see `openDeviceSet`). */
export interface DeviceSetParts {
  context: GraphContext;
  ids: DeviceIds;
  transactions: Transactions;
  mounted: MountedDevices;
  deferred: DeferredDeletions;
}

/**
 * Docker's devicemapper graph: devices by name, each the snapshot of another, mounted on demand. Any number of calls may
 * run at once, in any number of processes. All methods throw GraphError, or what the device mapper or the system threw.
 */
export class DeviceSet {
  readonly #parts: DeviceSetParts;
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(parts: DeviceSetParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => {
      this.#tidyUp().catch((error: unknown) => parts.context.log("warn", String(error)));
    }, tidyingPeriodMs).unref();
  }

  /** The graph's folder, absolute and without links. */
  get root(): string {
    return this.#parts.context.root;
  }

  /** The options in force: given at this start, kept from the first one, or defaults. */
  get options(): StorageOptions {
    return this.#parts.context.options;
  }

  /** The device mapper that the pool runs in. */
  get deviceMapper(): DeviceMapper["kind"] {
    return this.#parts.context.mapper.kind;
  }

  /** The pool's name in the device mapper. */
  get poolName(): string {
    return this.#parts.context.pool;
  }

  /**
   * Makes a device as a snapshot: of its parent, or of the base device. The parent may be in use.
   *
   * @param options.sizeBytes larger than the parent: the device and its file system grow to it
   * @param options.contents "as they are": the file system does not grow with the device, which may have none
   * @throws GraphError EEXIST, ENOENT (parent), EINVAL (smaller than the parent), ENOSPC (below the minimum free space)
   */
  async create(
    id: string,
    parent: string = baseId,
    options: { sizeBytes?: number; contents?: "as they are" } = {},
  ): Promise<void> {
    checkDeviceId(id);
    await this.#operation(async () => {
      const { context } = this.#parts;
      if (context.store.device(id)?.deleted === true) {
        await context.locks.device(id, () => removeDevice({ ...this.#parts }, id));
      }
      const created = await context.locks.change(() => this.#snapshot(id, parent, options.sizeBytes));
      if (created.sizeBytes > created.parentBytes && options.contents === undefined) await this.#growNew(id, created);
    });
  }

  /** Makes a device that holds nothing: every byte reads as zero. @throws GraphError EEXIST, ENOSPC (below the minimum free space) */
  async createBlank(id: string, sizeBytes: number): Promise<void> {
    checkDeviceId(id);
    await this.#onDevice(id, () =>
      this.#parts.context.locks.change(async () => {
        this.#requireNone(id);
        await this.#parts.transactions.createThin(id, sizeBytes);
      }),
    );
  }

  /** Keeps a device as it is from now on: it can be snapshotted and removed, but not mounted, activated or exported. EBUSY while it is any of these. */
  async seal(id: string): Promise<void> {
    checkDeviceId(id);
    const { context } = this.#parts;
    await this.#onDevice(id, async () => {
      this.#require(id);
      await deactivateDevice(context, id, "fail");
      sealDevice(context, id);
    });
  }

  /**
   * Makes a device with an empty file system of its own, unless there is one: for snapshots that are not to begin as the graph's base.
   * One that a crash left half made is made again.
   */
  async ensureFormatted(id: string, format: DeviceFormat): Promise<void> {
    checkDeviceId(id);
    await this.#onDevice(id, () => ensureFormattedDevice(this.#parts, id, format));
  }

  /**
   * Removes a device and gives its space back; later, where it is in use and deferred deletion is on. No error for an unknown one.
   *
   * @param options.space what dm.blkdiscard says, unless told
   */
  async remove(id: string, options: { space?: SpaceOnRemoval | undefined } = {}): Promise<void> {
    checkDeviceId(id);
    await this.#onDevice(id, () => {
      this.#parts.mounted.forget(id);
      return removeDevice(this.#parts, id, options.space);
    });
  }

  /** Whether there is such a device; one that waits for its deletion is not. */
  exists(id: string): Promise<boolean> {
    return this.#operation(() => Promise.resolve(this.#parts.context.store.device(id)?.deleted === false));
  }

  /**
   * Mounts a device, or counts one more user of it.
   *
   * @returns the path of its root file system, `$root/mnt/<id>/rootfs`
   */
  async get(id: string, wish: MountWish = {}): Promise<string> {
    checkDeviceId(id);
    return this.#onDevice(id, () => this.#parts.mounted.get(id, this.#requireUnsealed(id), wish));
  }

  /** One user of a device less; the last one unmounts it. Also unmounts what a process that is gone left mounted. */
  async put(id: string): Promise<void> {
    checkDeviceId(id);
    await this.#onDevice(id, () => this.#parts.mounted.put(id));
  }

  /** Unmounts what a process that is gone left mounted. EBUSY while this one, or another, uses it. */
  async unmountLeft(id: string): Promise<void> {
    checkDeviceId(id);
    await this.#onDevice(id, () => this.#parts.mounted.unmountLeft(id));
  }

  /** Makes a device's block device without mounting it, for a microVM, say. @returns its path */
  async activate(id: string): Promise<string> {
    checkDeviceId(id);
    const { context } = this.#parts;
    return this.#onDevice(id, async () => {
      const path = await activateDevice(context, id, this.#requireUnsealed(id));
      if (!isDeviceMounted(context, id)) leaveInPlace(context, id);
      return path;
    });
  }

  /**
   * Exports a device by NBD on a unix socket of its own, which is root's alone, and makes it active. The export goes on when this process ends, until
   * `deactivate` or `shutdown`.
   *
   * @throws GraphError EBUSY where the device is mounted, claimed by somebody, or exported otherwise
   */
  async export(id: string, wish: ExportWish): Promise<ExportedDevice> {
    checkDeviceId(id);
    return this.#onDevice(id, () => exportDevice(this.#parts.context, id, this.#requireUnsealed(id), wish));
  }

  /**
   * Takes the block device away again, and its export.
   *
   * @param options.whenBusy while it is mounted or open: EBUSY ("fail"), unless told
   */
  async deactivate(id: string, options: { whenBusy?: WhenBusy } = {}): Promise<void> {
    checkDeviceId(id);
    const { context } = this.#parts;
    await this.#onDevice(id, async () => {
      await endDeviceExport(context, id);
      await deactivateDevice(context, id, options.whenBusy ?? "fail");
      forgetLeftInPlace(context, id);
    });
  }

  /** What was written to an active device is on the disk when it returns, with all that a file system mounted from it has in memory. */
  async settle(id: string): Promise<void> {
    checkDeviceId(id);
    const { context } = this.#parts;
    await this.#onDevice(id, () => flushDevice(context, id));
  }

  /** The lines of `docker info`, in its order and units. */
  async status(): Promise<[string, string][]> {
    return this.#operation(() => statusLines(this.#parts.context, this.#parts.deferred.list().length));
  }

  /** Docker's GetMetadata. */
  metadata(id: string): Promise<DeviceDriverData> {
    return this.#operation(() => {
      const { deviceId, sizeBytes } = this.#require(id);
      return Promise.resolve({
        DeviceId: String(deviceId),
        DeviceSize: String(sizeBytes),
        DeviceName: this.#parts.context.names.device(id),
      });
    });
  }

  /** One device, or undefined. */
  async device(id: string): Promise<DeviceRecord | undefined> {
    return this.#operation(async () => {
      const { context } = this.#parts;
      const metadata = context.store.device(id);
      if (metadata === undefined) return undefined;
      const info = await context.mapper.info(context.names.device(id));
      return this.#record(id, metadata, info?.blockDevice);
    });
  }

  /** All devices, the base too, by name. Files that cannot be read are left out, with an error in the log. */
  async devices(): Promise<DeviceRecord[]> {
    return this.#operation(async () => {
      const { context } = this.#parts;
      const { devices, damaged } = context.store.devices();
      for (const error of damaged.values()) context.log("error", error.message);
      const active = new Map((await context.mapper.list()).map((info) => [info.name, info.blockDevice]));
      return [...devices].map(([id, metadata]) => this.#record(id, metadata, active.get(context.names.device(id))));
    });
  }

  /** What the pool says of one device; it is made active for that moment. */
  async deviceStatus(id: string): Promise<DeviceStatus> {
    return this.#onDevice(id, () => reportStatus(this.#parts.context, id, this.#require(id)));
  }

  /** What each device holds in the pool. */
  async usage(): Promise<DeviceUsage[]> {
    return this.#operation(() => reportUsage(this.#parts.context));
  }

  /** What a device has that another, which it began as, has not: in bytes of the pool. ENOENT when either is missing. */
  async addedBytes(id: string, originId: string): Promise<number> {
    return this.#operation(() => reportAdded(this.#parts.context, this.#require(id), this.#require(originId)));
  }

  /**
   * What a device has that another has not in the same place, or the other has and it has not: a part of it, from `fromBytes` on. Neither may be
   * written to meanwhile. ENOENT when either is missing.
   *
   * @param originId undefined: all that the device has
   */
  async changedRanges(id: string, originId: string | undefined, fromBytes: number): Promise<ChangedRanges> {
    return this.#operation(() => {
      const origin = originId === undefined ? undefined : this.#require(originId);
      return reportChanges(this.#parts.context, this.#require(id), origin, fromBytes);
    });
  }

  /** Where a block of a device lives. @param block in pool blocks from the device's start */
  async locateBlock(id: string, block: number): Promise<GraphBlockLocation> {
    return this.#operation(() => reportBlock(this.#parts.context, id, this.#require(id), block));
  }

  /** What is wrong with the pool's metadata, or between it and the files: a line each, none when all is well. */
  async check(): Promise<string[]> {
    return this.#operation(() => this.#parts.context.locks.change(() => checkGraph(this.#parts.context)));
  }

  /**
   * Makes the pool larger while it is used: loopback files to the sizes given; on block devices it takes what they have by now.
   * Writes that a full pool holds go on.
   *
   * @param growth bytes, or what to add: `{ dataBytes: { addPercent: 20 } }`
   * @throws GraphError EINVAL (smaller than it is, more than a device has), ENOTSUP (LVM's, or a pool of someone else's), EROFS
   */
  async growPool(growth: PoolGrowth = {}): Promise<GrownPool> {
    const { context } = this.#parts;
    return this.#operation(() =>
      context.locks.changeOrBeside(() => context.locks.poolTable(() => growPool(context, growth))),
    );
  }

  /** How the pool grows by itself; undefined where that is not the graph's to decide: LVM's pools, and those of someone else. */
  autogrow(): Promise<AutogrowPolicy | undefined> {
    return this.#operation(() => Promise.resolve(autogrowPolicy(this.#parts.context)));
  }

  /** Changes what is given of how the pool grows by itself, for this graph and for good. @returns the policy in force then */
  setAutogrow(settings: AutogrowSettings): Promise<AutogrowPolicy> {
    return this.#operation(() => changeAutogrow(this.#parts.context, settings));
  }

  /**
   * Sees to it that the pool, if it is to grow by itself, has the process that watches it; opening the graph did that before. Only while
   * nobody shuts the graph down.
   */
  keepWatched(): void {
    ensureMonitor(this.#parts.context);
  }

  /** Tries again to delete what was in use when it was removed. Happens by itself every 30 s. */
  async retryDeletions(): Promise<void> {
    if (this.#closed || this.#parts.deferred.list().length === 0) return;
    await this.#operation(() => retryDeferredDeletions(this.#parts));
  }

  /** Unmounts what processes that died were reading for a moment. Happens by itself at opening, and every 30 s. */
  async endAbandonedMounts(): Promise<void> {
    const { context, mounted } = this.#parts;
    if (this.#closed) return;
    for (const id of markedForNow(context)) {
      try {
        await this.#operation(() => context.locks.device(id, () => mounted.endAbandoned(id)));
      } catch (error) {
        context.log("info", `device ${id} stays mounted: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  /** Unmounts everything of this graph, whoever mounted it, and stops the pool; this object is closed too. */
  async shutdown(): Promise<void> {
    const { context, ids, mounted } = this.#parts;
    this.#requireOpen();
    await context.locks.alone(async () => {
      ids.giveBack();
      await stopGraph(context);
      mounted.forgetAll();
    });
    await this.close();
  }

  /** Forgets this process's part: the pool goes on, and what is mounted stays so. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const { context, ids, mounted } = this.#parts;
    clearInterval(this.#timer);
    await context.locks.change(() => Promise.resolve(ids.giveBack()));
    await mounted.abandon();
    this.#closed = true;
    context.locks.close();
  }

  async #tidyUp(): Promise<void> {
    await this.retryDeletions();
    await this.endAbandonedMounts();
  }

  async #snapshot(
    id: string,
    parent: string,
    wantedBytes: number | undefined,
  ): Promise<DeviceMetadata & { parentBytes: number }> {
    const { context, transactions, mounted } = this.#parts;
    this.#requireNone(id);
    const origin = context.store.device(parent);
    if (origin === undefined || origin.deleted) {
      throw new GraphError("ENOENT", `Cannot make device ${id}: its parent ${parent} does not exist`);
    }
    const sizeBytes = Math.ceil((wantedBytes ?? origin.sizeBytes) / 512) * 512;
    if (sizeBytes < origin.sizeBytes) {
      throw new GraphError(
        "EINVAL",
        `Cannot make device ${id} with ${sizeBytes} bytes: its parent has ${origin.sizeBytes}, and a device cannot be smaller`,
      );
    }
    const created = await withOriginAtRest(context, parent, async (found) => {
      const metadata = await transactions.createSnapshot(id, origin, sizeBytes);
      if (found === "inactive") mounted.addNew(id);
      return metadata;
    });
    return { ...created, parentBytes: origin.sizeBytes };
  }

  async #growNew(id: string, metadata: DeviceMetadata): Promise<void> {
    const { context, mounted } = this.#parts;
    await context.locks.device(id, async () => {
      try {
        const type = context.store.deviceSet()?.baseDeviceFileSystem === "xfs" ? "xfs" : "ext4";
        await mounted.grow(id, metadata, type);
      } catch (error) {
        await removeDevice(this.#parts, id);
        throw error;
      }
    });
  }

  #record(id: string, metadata: DeviceMetadata, blockDevice: string | undefined): DeviceRecord {
    const { context } = this.#parts;
    const mountPoint = isDeviceMounted(context, id) ? mountPointOf(context, id) : undefined;
    const exportSocket = blockDevice === undefined ? undefined : exportSocketOf(context, id);
    return deviceRecord(id, metadata, { mountPoint, blockDevice, exportSocket });
  }

  #require(id: string): DeviceMetadata {
    const metadata = this.#parts.context.store.device(id);
    if (metadata === undefined || metadata.deleted) {
      throw new GraphError("ENOENT", `Cannot find device ${id} in '${this.root}'`);
    }
    return metadata;
  }

  #requireUnsealed(id: string): DeviceMetadata {
    const metadata = this.#require(id);
    if (!isSealed(this.#parts.context, id)) return metadata;
    throw new GraphError(
      "EROFS",
      `Cannot use device ${id}: it is sealed, to stay as it is. Use a snapshot of it instead`,
    );
  }

  #requireNone(id: string): void {
    if (this.#parts.context.store.device(id) === undefined) return;
    throw new GraphError("EEXIST", `Cannot make device ${id}: it exists already`);
  }

  #requireOpen(): void {
    if (this.#closed) throw new GraphError("EBADF", `Cannot use the graph '${this.root}': it was closed`);
  }

  async #onDevice<T>(id: string, task: () => Promise<T>): Promise<T> {
    const { locks } = this.#parts.context;
    return this.#operation(async () => {
      await this.#parts.transactions.settle();
      return locks.device(id, task);
    });
  }

  async #operation<T>(task: () => Promise<T>): Promise<T> {
    this.#requireOpen();
    return this.#parts.context.locks.operation(task);
  }
}
