import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { blockDevicePath, deviceNumber } from "../../linux/device-path.ts";
import { holderNames } from "../../linux/device-holders.ts";
import { messageDevice, suspendDevice } from "../../linux/dm-ioctl.ts";
import type { DevmapperInfo } from "../../linux/libdevmapper-answer.ts";
import { libdevmapperVersion, udevSyncSupported } from "../../linux/libdevmapper-library.ts";
import { udevFlags } from "../../linux/libdevmapper-request.ts";
import { devmapper } from "../../linux/libdevmapper.ts";
import { makeNode } from "../../linux/special-files.ts";
import { errorCode } from "../../linux/system-error.ts";
import { addedBlocks } from "../../metadata-tools/added-blocks.ts";
import { type ChangedBlocks, changedBlocks } from "../../metadata-tools/changed-blocks.ts";
import { exclusiveBlocks } from "../../metadata-tools/exclusive-blocks.ts";
import { sharers } from "../../metadata-tools/owners.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import type {
  BlockLocation,
  DeviceInfo,
  DeviceMapper,
  MessageDurability,
  PoolUsage,
  ThinDeviceDetails,
} from "../device-mapper.ts";
import { requireDeviceName, unknownDevice } from "../device-name.ts";
import { eventAfter } from "./event-after.ts";
import { checkPool, readMetadata, recoverReading } from "./pool-metadata.ts";
import { refused, refusedMessage, requireCommitted } from "./refusals.ts";
import { deviceInfo, isThin, nodePath, seenDevice, type SeenThinDevice } from "./seen-device.ts";
import { ourUuid, planTable, requireSameDevice, type TablePlan } from "./table-plan.ts";

const S_IFBLK = 0o060000;
const NODE_PERMISSIONS = 0o600;

/** udev makes our devices' nodes, and does no more with them: nobody is to look into a container's device, or hold it open. */
const UDEV_FLAGS = udevFlags.disableSubsystemRules | udevFlags.disableDiskRules | udevFlags.disableOtherRules;

/** What the library would not take for a name at all. */
const couldBeName = /^[^/]{1,127}$/;

/** Messages that may take long: they are sent from another thread. */
const slowMessage = /^\s*delete\b/i;
/** Messages that a pool commits when it has carried them out: those of thin-provisioning.rst. The device mapper's own begin with @. */
const committed = /^\s*[a-z]/i;

/** How long a device without a table may be one that another process is just making. */
const HALF_MADE_TRIES = 100;
const HALF_MADE_PAUSE_MS = 10;

/** Devices of the kernel's device mapper. */
export class KernelDevices implements DeviceMapper {
  readonly kind = "kernel";
  readonly libraryVersion = libdevmapperVersion();
  readonly udevSyncSupported = udevSyncSupported();
  readonly supportsDeferredRemoval: boolean;

  constructor(support: { deferredRemoval: boolean }) {
    this.supportsDeferredRemoval = support.deferredRemoval;
  }

  async create(name: string, table: string): Promise<string> {
    requireDeviceName(name);
    const plan = await this.#plan(name, table);
    if (plan.pool !== undefined) await this.recover(plan.pool);
    await this.#announce(name, plan);
    try {
      await devmapper("reload", { name, targets: [plan] }, nothing);
      await devmapper("resume", { name, udevFlags: UDEV_FLAGS }, nothing);
      this.#requireNode(name, await devmapper("info", { name }, (answer) => answer.info()));
      return nodePath(name);
    } catch (error) {
      await devmapper("remove", { name, udevFlags: UDEV_FLAGS, expected: "ENXIO" }, nothing).catch(() => undefined);
      throw refused(`create '${name}' with table '${table.trim()}'`, error, plan.suspicion());
    }
  }

  async reload(name: string, table: string): Promise<void> {
    const { info, target: before } = await this.#require(name);
    const plan = await this.#plan(name, table);
    requireSameDevice(name, before.line, plan);
    const what = `reload '${name}' with table '${table.trim()}'`;
    try {
      await devmapper("reload", { name, targets: [plan] }, nothing);
    } catch (error) {
      throw refused(what, error, plan.suspicion());
    }
    try {
      // I/O under way is not flushed, as it may be waiting for the very space that the new table brings.
      await this.suspend(name, { noFlush: true });
      await devmapper("resume", { name, udevFlags: UDEV_FLAGS }, nothing);
      if (info.suspended) await this.suspend(name, { noFlush: true });
    } catch (error) {
      // The new table is in force, and the device suspended, for the pool does not resume with it.
      const [, sectors, type, ...parameters] = before.line.split(" ");
      const target = { sectors: Number(sectors), type, parameters: parameters.join(" ") };
      await devmapper("reload", { name, targets: [target] }, nothing);
      await devmapper("resume", { name, udevFlags: UDEV_FLAGS }, nothing);
      throw refused(what, error, plan.suspicion());
    }
  }

  async suspend(name: string, options: { noFlush?: boolean } = {}): Promise<void> {
    try {
      const noFlush = options.noFlush === true;
      await suspendDevice(name, { noFlush, noLockFs: noFlush });
    } catch (error) {
      throw errorCode(error) === "ENXIO" ? unknownDevice(name) : refused(`suspend '${name}'`, error);
    }
  }

  async resume(name: string): Promise<void> {
    try {
      await devmapper("resume", { name, udevFlags: UDEV_FLAGS, expected: "ENXIO" }, nothing);
    } catch (error) {
      throw errorCode(error) === "ENXIO" ? unknownDevice(name) : refused(`resume '${name}'`, error);
    }
  }

  async flush(name: string): Promise<void> {
    await this.suspend(name);
    await this.resume(name);
  }

  async remove(name: string, options: { deferred?: boolean } = {}): Promise<void> {
    try {
      const deferred = options.deferred === true;
      await devmapper("remove", { name, deferred, udevFlags: UDEV_FLAGS, expected: "EBUSY" }, nothing);
    } catch (error) {
      if (errorCode(error) === "ENXIO") throw unknownDevice(name);
      if (errorCode(error) !== "EBUSY") throw refused(`remove '${name}'`, error);
      throw new DeviceMapperError("EBUSY", `Cannot remove '${name}': ${await this.#users(name)}`);
    }
  }

  async cancelDeferredRemoval(name: string): Promise<void> {
    await this.message(name, "@cancel_deferred_remove");
    // libdevmapper took the node away when the removal was put off.
    this.#requireNode(name, await devmapper("info", { name }, (answer) => answer.info()));
  }

  async message(name: string, message: string, durability: MessageDurability = "at once"): Promise<string> {
    let answer = "";
    try {
      if (slowMessage.test(message)) await messageDevice(name, message);
      else answer = await devmapper("message", { name, message }, (task) => task.response().trim());
    } catch (error) {
      throw refusedMessage(name, message, error);
    }
    // Else whoever brings the next commit asks.
    if (durability === "at once" && committed.test(message)) requireCommitted(name, message, await this.status(name));
    return answer;
  }

  async messages(name: string, messages: readonly string[]): Promise<void> {
    for (const [done, message] of messages.entries()) {
      try {
        // The last one's answer tells of a commit that failed; the pool takes no more messages then, so an earlier one's is noticed by the next.
        await this.message(name, message, done === messages.length - 1 ? "at once" : "with the next commit");
      } catch (error) {
        throw error instanceof DeviceMapperError ? new DeviceMapperError(error.code, error.message, { done }) : error;
      }
    }
  }

  async status(name: string): Promise<string> {
    // Without noFlush the pool would commit first; it does so every second anyway, and after each message.
    const device = await devmapper("status", { name, noFlush: true }, seenDevice);
    if (!isThin(device)) throw unknownDevice(name);
    return device.target.line;
  }

  /** What a pool has not committed yet is committed; nothing happens to a pool that cannot. */
  async commit(pool: string): Promise<void> {
    await devmapper("status", { name: pool }, nothing);
  }

  async table(name: string): Promise<string> {
    return (await this.#require(name)).target.line;
  }

  async deps(name: string): Promise<string[]> {
    await this.#require(name);
    const numbers = await devmapper("deps", { name }, (answer) => answer.deps());
    return numbers.map((device) => blockDevicePath(device) ?? device);
  }

  async info(name: string): Promise<DeviceInfo | undefined> {
    const device = await this.#see(name);
    return device === undefined ? undefined : deviceInfo(name, device);
  }

  async list(): Promise<DeviceInfo[]> {
    const names = await devmapper("list", {}, (answer) => answer.names());
    const devices: DeviceInfo[] = [];
    for (const name of names) {
      const info = await this.info(name);
      if (info !== undefined) devices.push(info);
    }
    return devices;
  }

  waitForEvent(name: string, afterEventNumber: number, signal?: AbortSignal): Promise<number> {
    return eventAfter(afterEventNumber, async () => (await this.#require(name)).info.eventNumber, signal);
  }

  thinDevices(pool: string): Promise<ThinDeviceDetails[]> {
    return readMetadata(this, pool, (view) => [...view.details()]);
  }

  usage(pool: string): Promise<PoolUsage> {
    return readMetadata(this, pool, (view) => {
      const exclusive = exclusiveBlocks(view);
      const devices = [...view.details()].map((each) => ({ ...each, exclusiveBlocks: exclusive.get(each.id) ?? 0 }));
      return { blockSizeSectors: view.superblock.dataBlockSizeSectors, devices };
    });
  }

  addedBlocks(pool: string, id: number, originId: number): Promise<number> {
    return readMetadata(this, pool, (view) => addedBlocks(view, id, originId));
  }

  changedBlocks(pool: string, id: number, originId: number | undefined, begin: number): Promise<ChangedBlocks> {
    return readMetadata(this, pool, (view) => changedBlocks(view, id, originId, begin));
  }

  locate(pool: string, id: number, block: number): Promise<BlockLocation> {
    return readMetadata(this, pool, (view) => {
      const mapping = view.lookup(id, block);
      return { dataBlock: mapping?.dataBlock, time: mapping?.time, owners: sharers(view, id, block) };
    });
  }

  checkMetadata(pool: string): Promise<string[]> {
    return checkPool(this, pool);
  }

  recover(pool: string): Promise<void> {
    return recoverReading(this, pool);
  }

  #plan(name: string, table: string): Promise<TablePlan> {
    return planTable(table, async (pool) => {
      if (/^\d+:\d+$/.test(pool)) return pool;
      const info = (await this.#see(pool))?.info;
      if (info !== undefined) return `${info.major}:${info.minor}`;
      throw new DeviceMapperError("ENXIO", `Cannot use a table for '${name}': its pool '${pool}' does not run`);
    });
  }

  /** Makes the device, without a table. */
  async #announce(name: string, plan: TablePlan): Promise<void> {
    const refuse = (code: string, why: string) => new DeviceMapperError(code, `Cannot create '${name}': ${why}`);
    for (let attempt = 1; ; attempt++) {
      const other = await devmapper("info", { name }, (answer) => ({ info: answer.info(), uuid: answer.uuid() }));
      if (!other.info.exists) {
        plan.requireFreeDevices();
        try {
          return await devmapper("create", { name, uuid: plan.uuid, expected: "EBUSY" }, nothing);
        } catch (error) {
          if (errorCode(error) !== "EBUSY") throw refused(`create '${name}'`, error);
          const exists = await devmapper("info", { name }, (answer) => answer.info().exists);
          if (!exists) throw refuse("EBUSY", "that thin device is active under another name");
        }
      } else if (other.info.liveTable || !other.uuid.startsWith(ourUuid)) {
        throw refuse("EEXIST", "there is a device of that name");
      } else if (attempt < HALF_MADE_TRIES) {
        await sleep(HALF_MADE_PAUSE_MS);
      } else {
        // Its maker was killed half-way: it would have a table by now.
        await devmapper("remove", { name, udevFlags: UDEV_FLAGS, expected: "ENXIO" }, nothing);
      }
    }
  }

  /** udev, or libdevmapper where there is none, has made the node; or udev's rules for that are not installed. */
  #requireNode(name: string, { major, minor }: DevmapperInfo): void {
    const path = nodePath(name);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined && deviceNumber(path) === `${major}:${minor}`) return;
    makeNode(path, S_IFBLK | NODE_PERMISSIONS, major, minor);
  }

  /** Who keeps a device busy. */
  async #users(name: string): Promise<string> {
    const info = (await this.#see(name))?.info;
    const holders = info === undefined ? [] : holderNames(`${info.major}:${info.minor}`);
    if (holders.length === 0) return `${nodePath(name)} is mounted or open`;
    const more = holders.length > 3 ? ` and ${holders.length - 3} more` : "";
    return `${holders.slice(0, 3).join(", ")}${more} still active`;
  }

  async #see(name: string): Promise<SeenThinDevice | undefined> {
    if (!couldBeName.test(name)) return undefined;
    try {
      const device = await devmapper("table", { name, expected: "ENXIO" }, seenDevice);
      return isThin(device) ? device : undefined;
    } catch (error) {
      if (errorCode(error) === "ENXIO") return undefined;
      throw refused(`look at '${name}'`, error);
    }
  }

  async #require(name: string): Promise<SeenThinDevice> {
    const device = await this.#see(name);
    if (device === undefined) throw unknownDevice(name);
    return device;
  }
}

const nothing = (): void => undefined;
