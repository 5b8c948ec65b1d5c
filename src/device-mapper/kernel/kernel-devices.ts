import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { holderNames } from "../../linux/device-holders.ts";
import { deviceNumber } from "../../linux/device-path.ts";
import { messageDevice, suspendDevice } from "../../linux/dm-ioctl.ts";
import {
  type DevmapperAnswer,
  type DevmapperInfo,
  devmapperInTurn as devmapper,
  libdevmapperVersion,
  udevFlags,
  udevSyncSupported,
} from "../../linux/libdevmapper.ts";
import { makeNode } from "../../linux/special-files.ts";
import { errorCode } from "../../linux/system-error.ts";
import { formatPoolTable, parsePoolTable } from "../../thin/pool-table.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import type { BlockLocation, DeviceInfo, DeviceMapper, PoolUsage } from "../device-mapper.ts";
import { requireDeviceName, unknownDevice } from "../device-name.ts";
import { parseThinTable } from "../thin-table.ts";
import { refused, refusedMessage } from "./refusals.ts";

const S_IFBLK = 0o060000;
const NODE_PERMISSIONS = 0o600;

/** udev makes our devices' nodes, and does no more with them: nobody is to look into a container's device, or hold it open. */
const UDEV_FLAGS = udevFlags.disableSubsystemRules | udevFlags.disableDiskRules | udevFlags.disableOtherRules;

/** Devices of ours have UUIDs that begin so: what a crash left half made is known by it. */
const OUR_UUID = "MICA-";

/** Messages that may take long: they are sent from another thread. */
const slowMessage = /^\s*delete\b/;

/** What the kernel calls a device and how it is. */
interface Seen {
  info: DevmapperInfo;
  uuid: string;
  /** Its only target; undefined when its table is not in force yet. */
  target: { type: string; line: string } | undefined;
}

/** Devices of the kernel's device mapper. */
export class KernelDevices implements DeviceMapper {
  readonly kind = "kernel";
  readonly libraryVersion = libdevmapperVersion();
  readonly udevSyncSupported = udevSyncSupported();
  readonly supportsDeferredRemoval: boolean;

  constructor(support: { deferredRemoval: boolean }) {
    this.supportsDeferredRemoval = support.deferredRemoval;
  }

  async create(name: string, table: string): Promise<void> {
    requireDeviceName(name);
    const { sectors, type, parameters, uuid } = await this.#plan(name, table);
    await this.#announce(name, uuid);
    try {
      await devmapper("reload", { name, target: { sectors, type, parameters } }, nothing);
      await devmapper("resume", { name, udevFlags: UDEV_FLAGS }, nothing);
      this.#requireNode(name, (await this.#see(name))!.info);
    } catch (error) {
      await devmapper("remove", { name, udevFlags: UDEV_FLAGS, expected: "ENXIO" }, nothing).catch(() => undefined);
      throw refused(`create '${name}' with table '${table}'`, error);
    }
  }

  async reload(name: string, table: string): Promise<void> {
    const before = await this.#require(name);
    const { sectors, type, parameters } = await this.#plan(name, table);
    await devmapper("reload", { name, target: { sectors, type, parameters } }, nothing);
    if (before.info.suspended) return;
    await devmapper("resume", { name, noFlush: true, skipLockfs: true, udevFlags: UDEV_FLAGS }, nothing);
  }

  async suspend(name: string, options: { noFlush?: boolean } = {}): Promise<void> {
    try {
      await suspendDevice(name, { noFlush: options.noFlush === true });
    } catch (error) {
      throw errorCode(error) === "ENXIO" ? unknownDevice(name) : refused(`suspend '${name}'`, error);
    }
  }

  async resume(name: string): Promise<void> {
    try {
      await devmapper("resume", { name, udevFlags: UDEV_FLAGS }, nothing);
    } catch (error) {
      throw errorCode(error) === "ENXIO" ? unknownDevice(name) : refused(`resume '${name}'`, error);
    }
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
  }

  async message(name: string, message: string): Promise<string> {
    try {
      if (!slowMessage.test(message))
        return await devmapper("message", { name, message }, (answer) => answer.response());
      await messageDevice(name, message);
      return "";
    } catch (error) {
      throw refusedMessage(name, message, error);
    }
  }

  async status(name: string): Promise<string> {
    // Without noFlush the kernel would commit first; it does so every second anyway, and after each message.
    const seen = await devmapper("status", { name, noFlush: true }, see);
    if (seen.target === undefined) throw unknownDevice(name);
    return seen.target.line;
  }

  async table(name: string): Promise<string> {
    return (await this.#require(name)).target.line;
  }

  async info(name: string): Promise<DeviceInfo | undefined> {
    const seen = await this.#see(name);
    return seen === undefined ? undefined : deviceInfo(name, seen);
  }

  async list(): Promise<DeviceInfo[]> {
    const names = await devmapper("list", {}, (answer) => answer.names());
    const devices = [];
    for (const name of names) devices.push(await this.info(name));
    return devices.filter((device) => device !== undefined);
  }

  usage(pool: string): Promise<PoolUsage> {
    return Promise.reject(new DeviceMapperError("EOPNOTSUPP", `Cannot read the usage of '${pool}'`));
  }

  locate(pool: string): Promise<BlockLocation> {
    return Promise.reject(new DeviceMapperError("EOPNOTSUPP", `Cannot locate in '${pool}'`));
  }

  checkMetadata(pool: string): Promise<string[]> {
    return Promise.reject(new DeviceMapperError("EOPNOTSUPP", `Cannot check '${pool}'`));
  }

  /** What the kernel is to be given for a table. */
  async #plan(name: string, table: string) {
    if (table.trim().split(/\s+/)[2] === "thin-pool") {
      const pool = parsed(() => parsePoolTable(table));
      const parameters = formatPoolTable(pool).split(" ").slice(3).join(" ");
      return { sectors: pool.sectors, type: "thin-pool", parameters, uuid: `${OUR_UUID}pool-${randomUUID()}` };
    }
    const { sectors, pool, deviceId, externalOrigin } = parseThinTable(table);
    const numbers = await this.#poolNumber(name, pool);
    const parameters = [numbers, deviceId, ...(externalOrigin === undefined ? [] : [externalOrigin])].join(" ");
    // The kernel lets one thin device be active under several names, and two file systems ruin each other on it. No two devices
    // may have the same UUID, though.
    return { sectors, type: "thin", parameters, uuid: `${OUR_UUID}${numbers}-${deviceId}` };
  }

  async #poolNumber(name: string, pool: string): Promise<string> {
    if (/^\d+:\d+$/.test(pool)) return pool;
    const info = await devmapper("info", { name: pool }, (answer) => answer.info());
    if (info.exists) return `${info.major}:${info.minor}`;
    throw new DeviceMapperError("ENXIO", `Cannot create '${name}': its pool '${pool}' does not run`);
  }

  /** Makes the device, without a table. */
  async #announce(name: string, uuid: string): Promise<void> {
    try {
      await devmapper("create", { name, uuid, expected: "EBUSY" }, nothing);
    } catch (error) {
      if (errorCode(error) !== "EBUSY") throw refused(`create '${name}'`, error);
      const other = await devmapper("info", { name }, (answer) => ({ info: answer.info(), uuid: answer.uuid() }));
      if (!other.info.exists) {
        throw new DeviceMapperError("EBUSY", `Cannot create '${name}': that thin device is active under another name`);
      }
      if (other.info.liveTable || !other.uuid.startsWith(OUR_UUID)) {
        throw new DeviceMapperError("EEXIST", `Cannot create '${name}': there is a device of that name`);
      }
      // A maker that was killed half-way left it.
      await devmapper("remove", { name, udevFlags: UDEV_FLAGS, expected: "ENXIO" }, nothing);
      await this.#announce(name, uuid);
    }
  }

  /** udev, or libdevmapper where there is none, has made the node; or udev's rules for that are not installed. */
  #requireNode(name: string, { major, minor }: DevmapperInfo): void {
    const path = nodePath(name);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined && deviceNumber(path) === `${major}:${minor}`) return;
    makeNode(path, S_IFBLK | NODE_PERMISSIONS, major, minor);
  }

  async #users(name: string): Promise<string> {
    const info = (await this.#see(name))?.info;
    const holders = info === undefined ? [] : holderNames(`${info.major}:${info.minor}`);
    if (holders.length === 0) return `${nodePath(name)} is mounted or open`;
    const more = holders.length > 3 ? ` and ${holders.length - 3} more` : "";
    return `${holders.slice(0, 3).join(", ")}${more} still active`;
  }

  async #see(name: string): Promise<(Seen & { target: { type: string; line: string } }) | undefined> {
    try {
      const { target, ...rest } = await devmapper("table", { name, expected: "ENXIO" }, see);
      return target === undefined || (target.type !== "thin" && target.type !== "thin-pool")
        ? undefined
        : { ...rest, target };
    } catch (error) {
      if (errorCode(error) === "ENXIO") return undefined;
      throw refused(`look at '${name}'`, error);
    }
  }

  async #require(name: string) {
    const seen = await this.#see(name);
    if (seen === undefined) throw unknownDevice(name);
    return seen;
  }
}

function see(answer: DevmapperAnswer): Seen {
  const target = answer.targets().at(0);
  const line = (target: { start: number; sectors: number; type: string; parameters: string }) =>
    `${target.start} ${target.sectors} ${target.type} ${target.parameters}`;
  return {
    info: answer.info(),
    uuid: answer.uuid(),
    target: target === undefined ? undefined : { type: target.type, line: line(target) },
  };
}

function deviceInfo(name: string, { info, target }: Seen & { target: { type: string; line: string } }): DeviceInfo {
  return {
    name,
    target: target.type as "thin" | "thin-pool",
    blockDevice: nodePath(name),
    open: info.openCount > 0,
    suspended: info.suspended,
    deferredRemove: info.deferredRemove,
    tableLine: target.line,
  };
}

function nodePath(name: string): string {
  return `/dev/mapper/${name}`;
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Error) throw new DeviceMapperError(errorCode(error) ?? "EINVAL", error.message);
    throw error;
  }
}

const nothing = (): void => undefined;
