import { chmodSync, chownSync, existsSync, mkdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mount, mountAsync, mountFlags, unmount, unmountAsync } from "../../linux/mount.ts";
import { mountTable } from "../../linux/mount-table.ts";
import { errorCode } from "../../linux/system-error.ts";
import { activateDevice, activeDevice, deactivateDevice } from "./activation.ts";
import type { DeviceMetadata } from "../files/device-metadata.ts";
import { growMounted, growUnmountedExt4, limitXfsRetries, requiredMountOptions } from "./file-system.ts";
import { exportSocketOf } from "./exports.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { forgetForNow, isForNow, markForNow } from "../files/for-now.ts";
import { forgetLeftInPlace, isLeftInPlace, leaveInPlace } from "../files/left-in-place.ts";
import { LingeringDevices } from "./lingering-devices.ts";
import { mountArguments } from "../options/mount-options.ts";
import { isDeviceMounted, mountPointOf } from "./mount-points.ts";
import { processesIn } from "./processes-in.ts";
import type { FileSystemType } from "../options/storage-options.ts";

const unmountAttempts = 5;
const unmountPauseMs = 20;

/** How a device is to be mounted. */
export interface MountWish {
  /** SELinux label. */
  mountLabel?: string | undefined;
  /** Nothing is written to the device, if its file system was cleanly unmounted. */
  readOnly?: boolean | undefined;
  /** Who owns the root file system's top, and may go through the folder of mounts: the root of a user namespace. Default: as it is. */
  owner?: { user: number; group: number } | undefined;
  /**
   * If a process that is gone left it mounted, this reference is what stands for that: the last one unmounts it. Otherwise such a mount is
   * left as it was found.
   */
  takeOver?: boolean | undefined;
  /** It is read for a moment: where this process dies meanwhile, whoever comes next unmounts it. */
  forNow?: boolean | undefined;
}

/**
 * Where it is known that there is little to read or write, another thread would cost more than it spares this one; not with a pool in user
 * space, whose engine is another process with a queue of its own.
 */
type Pace = "at once" | "on another thread";

/** What was mounted for less has little to write out. */
const momentMs = 50;

/** References this process holds to a mounted device. */
interface Use {
  count: number;
  /** It was mounted before, by a process that is gone: it stays mounted when our references end. */
  kept: boolean;
  since: number;
}

/**
 * Mounts devices and counts who uses them. The count is this process's own; that a device is mounted is read from the
 * system, so one process may mount and another unmount. While processes live that use a device, the last of them unmounts it.
 * Every function is only for who holds the device's lock.
 */
export class MountedDevices {
  readonly #lingering: LingeringDevices;
  readonly #context: GraphContext;
  readonly #uses = new Map<string, Use>();
  /** Made by this process from a device at rest, and never mounted: there is no journal to replay. */
  readonly #new = new Set<string>();
  #type: FileSystemType | undefined;

  constructor(context: GraphContext) {
    this.#context = context;
    this.#lingering = new LingeringDevices(context);
  }

  /** The device was just made, as a copy of one that was at rest. */
  addNew(id: string): void {
    this.#new.add(id);
  }

  /** The device is to go. */
  forget(id: string): void {
    this.#new.delete(id);
    this.#lingering.end(id);
  }

  /** @returns the path of the root file system */
  async get(id: string, metadata: DeviceMetadata, wish: MountWish = {}): Promise<string> {
    const rootfs = join(mountPointOf(this.#context, id), "rootfs");
    const use = this.#uses.get(id);
    const mounted = isDeviceMounted(this.#context, id);
    const othersUse = mounted && this.#context.locks.hasOtherUsers(id);
    const abandoned = mounted && use === undefined && !othersUse && isForNow(this.#context, id);
    if (mounted && wish.forNow !== true) forgetForNow(this.#context, id);
    if (use !== undefined && mounted) {
      if (wish.readOnly !== true) await this.#makeWritable(id);
      if (wish.takeOver === true) this.#takeOver(id, use);
      use.count++;
      return rootfs;
    }
    const kept = mounted && !abandoned && wish.takeOver !== true && (this.#wasLeftMounted(id) || !othersUse);
    if (use === undefined) this.#context.locks.beginUse(id);
    try {
      if (!mounted) await this.#mountFresh(id, metadata, wish, rootfs);
      else if (wish.readOnly !== true) await this.#makeWritable(id);
    } catch (error) {
      if (use === undefined) this.#context.locks.endUse(id);
      throw error;
    }
    if (kept) this.#context.locks.markKept(id);
    else if (mounted && wish.takeOver === true) forgetLeftInPlace(this.#context, id);
    this.#uses.set(id, { count: (use?.count ?? 0) + 1, kept, since: mounted ? 0 : performance.now() });
    return rootfs;
  }

  /** Gives one reference back; the last one unmounts. Without a reference of ours: unmounts what others left mounted. */
  async put(id: string): Promise<void> {
    const use = this.#uses.get(id);
    if (use !== undefined && use.count > 1) {
      use.count--;
      return;
    }
    if (use === undefined) {
      await this.#unmountLeftover(id);
      return;
    }
    this.#context.locks.endUse(id);
    this.#uses.delete(id);
    if (use.kept || this.#context.locks.hasOtherUsers(id) || isLeftInPlace(this.#context, id)) return;
    try {
      await this.unmount(id, this.#pace(performance.now() - use.since < momentMs));
    } catch (error) {
      this.#context.locks.beginUse(id);
      this.#uses.set(id, use);
      throw error;
    }
  }

  /**
   * Unmounts what a process that is gone left mounted.
   *
   * @throws GraphError EBUSY while this process, or another, uses it
   */
  async unmountLeft(id: string): Promise<void> {
    if (this.#uses.has(id)) {
      throw new GraphError("EBUSY", `Cannot unmount device ${id}: it is being read or written. Let that finish`);
    }
    await this.#unmountLeftover(id);
  }

  /** Unmounts what was mounted for a moment's reading by a process that has died since. */
  async endAbandoned(id: string): Promise<void> {
    if (this.#uses.has(id) || this.#context.locks.hasOtherUsers(id) || !isForNow(this.#context, id)) return;
    if (isDeviceMounted(this.#context, id)) await this.unmount(id);
    else forgetForNow(this.#context, id);
  }

  /** Mounts for the time of a function, where nothing else has the device yet; grows the file system to the device's size. */
  async grow(id: string, metadata: DeviceMetadata, type: FileSystemType): Promise<void> {
    const mountPoint = mountPointOf(this.#context, id);
    const device = await activateDevice(this.#context, id, metadata);
    try {
      await this.#mount(id, device, type, {}, "on another thread");
      let grown = false;
      try {
        grown = await growMounted(type, device, mountPoint);
      } finally {
        await unmountAsync(mountPoint);
        rmdirSync(mountPoint);
      }
      if (!grown) await growUnmountedExt4(device);
    } finally {
      await deactivateDevice(this.#context, id, "retry");
    }
  }

  /** Unmounts, whoever mounted it, and deactivates, at once or later. No error if it is not mounted. */
  async unmount(id: string, pace: Pace = "on another thread"): Promise<void> {
    const mountPoint = mountPointOf(this.#context, id);
    const mounted = await this.#unmountPatiently(id, mountPoint, pace);
    forgetLeftInPlace(this.#context, id);
    forgetForNow(this.#context, id);
    try {
      rmdirSync(mountPoint);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") this.#context.log("warn", `'${mountPoint}' stays: ${String(error)}`);
    }
    if ((mounted && this.#lingering.add(id)) || exportSocketOf(this.#context, id) !== undefined) return;
    await deactivateDevice(this.#context, id, this.#context.deferredRemoval ? "defer" : "retry");
  }

  /** This process ends or forgets its references: what is mounted stays so, and others are told. */
  async abandon(): Promise<void> {
    await this.#lingering.endAll();
    for (const id of this.#uses.keys()) {
      if (isDeviceMounted(this.#context, id) && !isForNow(this.#context, id)) leaveInPlace(this.#context, id);
      this.#context.locks.endUse(id);
    }
    this.#uses.clear();
  }

  /** After a shutdown, nothing is mounted. */
  forgetAll(): void {
    this.#lingering.forgetAll();
    for (const id of this.#uses.keys()) this.#context.locks.endUse(id);
    this.#uses.clear();
  }

  async #mountFresh(id: string, metadata: DeviceMetadata, wish: MountWish, rootfs: string): Promise<void> {
    const type = this.#fileSystem();
    const isNew = this.#new.delete(id);
    const lingered = this.#lingering.end(id) ? await activeDevice(this.#context, id, metadata) : undefined;
    const device = lingered ?? (await activateDevice(this.#context, id, metadata));
    try {
      if (wish.forNow === true) markForNow(this.#context, id);
      await this.#mount(id, device, type, wish, this.#pace(isNew || lingered !== undefined));
    } catch (error) {
      forgetForNow(this.#context, id);
      const socket = exportSocketOf(this.#context, id);
      if (socket !== undefined && errorCode(error) === "EBUSY") {
        const why = `it is exported by NBD on '${socket}'. Detach it first (mica detach)`;
        throw new GraphError("EBUSY", `Cannot mount device ${id}: ${why}`, { cause: error });
      }
      await deactivateDevice(this.#context, id, "fail").catch(() => undefined);
      throw error;
    }
    forgetLeftInPlace(this.#context, id);
    if (lingered === undefined && !existsSync(rootfs)) {
      if (wish.readOnly === true) await this.#makeWritable(id);
      mkdirSync(rootfs, { mode: 0o755 });
      writeFileSync(join(mountPointOf(this.#context, id), "id"), id, { mode: 0o600 });
    }
    if (wish.owner !== undefined) this.#giveTo(wish.owner, rootfs);
  }

  /** A user namespace's root is nobody here: it has to be let through the folder of mounts by its group, and nobody else is. */
  #giveTo({ user, group }: { user: number; group: number }, rootfs: string): void {
    const top = statSync(rootfs);
    if (top.uid !== user || top.gid !== group) chownSync(rootfs, user, group);
    const mounts = join(this.#context.root, "mnt");
    const before = statSync(mounts);
    if (before.gid !== group) chownSync(mounts, before.uid, group);
    if ((before.mode & 0o777) !== 0o710) chmodSync(mounts, 0o710);
  }

  async #mount(id: string, device: string, type: FileSystemType, wish: MountWish, pace: Pace): Promise<void> {
    const { options, log } = this.#context;
    const label = wish.mountLabel === undefined || wish.mountLabel === "" ? "" : `context="${wish.mountLabel}"`;
    const { flags, data } = mountArguments(
      requiredMountOptions(type),
      options.mountOptions,
      label,
      wish.readOnly === true ? "ro" : "",
    );
    const mountPoint = mountPointOf(this.#context, id);
    mkdirSync(mountPoint, { recursive: true, mode: 0o700 });
    if (pace === "at once") mount(device, mountPoint, type, flags, data);
    else await mountAsync(device, mountPoint, type, flags, data);
    if (type !== "xfs" || options.xfsNospaceMaxRetries === undefined) return;
    try {
      limitXfsRetries(device, options.xfsNospaceMaxRetries);
    } catch (error) {
      log("warn", `dm.xfs_nospace_max_retries has no effect on device ${id}: ${String(error)}`);
    }
  }

  async #makeWritable(id: string): Promise<void> {
    const mountPoint = mountPointOf(this.#context, id);
    const entry = mountTable().findLast((mount) => mount.mountPoint === mountPoint);
    if (entry === undefined || !entry.options.split(",").includes("ro")) return;
    await mountAsync(entry.source, mountPoint, entry.fsType, mountFlags.remount, "");
  }

  #takeOver(id: string, use: Use): void {
    use.kept = false;
    this.#context.locks.unmarkKept(id);
    forgetLeftInPlace(this.#context, id);
  }

  async #unmountLeftover(id: string): Promise<void> {
    const { locks } = this.#context;
    if (isDeviceMounted(this.#context, id) && locks.hasOtherUsers(id)) {
      throw new GraphError(
        "EBUSY",
        `Cannot unmount device ${id}: ${locks.otherUsers(id)} uses it. Let it finish, or end it`,
      );
    }
    await this.unmount(id);
  }

  /** @returns whether it was mounted */
  async #unmountPatiently(id: string, mountPoint: string, pace: Pace): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (pace === "at once") unmount(mountPoint);
        else await unmountAsync(mountPoint);
        return true;
      } catch (error) {
        if (errorCode(error) === "EINVAL" || errorCode(error) === "ENOENT") return false;
        if (errorCode(error) !== "EBUSY") throw error;
        if (attempt >= unmountAttempts)
          throw new GraphError("EBUSY", await busyMessage(id, mountPoint), { cause: error });
        await sleep(unmountPauseMs);
      }
    }
  }

  #pace(hasLittleToDo: boolean): Pace {
    return hasLittleToDo && this.#context.mapper.kind === "kernel" ? "at once" : "on another thread";
  }

  /** The base device's, which is every device's and never another: read once. */
  #fileSystem(): FileSystemType {
    this.#type ??= this.#context.store.deviceSet()?.baseDeviceFileSystem === "xfs" ? "xfs" : "ext4";
    return this.#type;
  }

  #wasLeftMounted(id: string): boolean {
    return this.#context.locks.isKept(id) || isLeftInPlace(this.#context, id);
  }
}

async function busyMessage(id: string, mountPoint: string): Promise<string> {
  const users = await processesIn(mountPoint);
  const who = users.length === 0 ? "something below it is mounted or open" : `used by ${users.join(", ")}`;
  return `Cannot unmount device ${id} from '${mountPoint}': ${who}. End that and try again`;
}
