import { messageDevice, suspendDevice } from "../../linux/dm-ioctl.ts";
import type { DevmapperAnswer, DevmapperTarget } from "../../linux/libdevmapper-answer.ts";
import {
  libdevmapperVersion,
  setDeviceDir,
  turnManglingOff,
  turnUdevSyncOff,
} from "../../linux/libdevmapper-library.ts";
import { type DevmapperRequest, udevFlags } from "../../linux/libdevmapper-request.ts";
import { devmapper, type DevmapperTask } from "../../linux/libdevmapper.ts";
import { errorCode } from "../../linux/system-error.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import { unknownDevice } from "../device-name.ts";
import type {
  DeviceGeometry,
  ListedDevice,
  MappedDeviceInfo,
  MappedDevices,
  StatusSegment,
  TableSegment,
  TableSlot,
  TargetVersion,
} from "../mapped-devices.ts";
import { eventAfter } from "./event-after.ts";
import { missingForKernelMapper } from "./kernel-support.ts";
import { refused, refusedMessage } from "./refusals.ts";

/** How the kernel's devices get their nodes. */
export interface KernelMappedDevicesOptions {
  /** Where nodes are: in its folder `mapper`. Default /dev. */
  deviceDir?: string;
  /** udev is told of what happens, and waited for. Default true; without udev on the machine it makes no difference. */
  udevSync?: boolean;
  /** udev's rules make the nodes. Default true. */
  udevRules?: boolean;
  /** The library makes right what udev did not do. Default false. */
  verifyUdev?: boolean;
  /** When a node is made where udev does not make it. Default "on resume". */
  addNode?: "on resume" | "on create";
}

/** Messages that may take long: they are sent from another thread. */
const slowMessage = /^\s*delete\b/;

/**
 * The kernel's mapped devices, through libdevmapper: whatever their targets are.
 *
 * @throws DeviceMapperError ENOTSUP that says what is missing for it
 */
export function kernelMappedDevices(options: KernelMappedDevicesOptions = {}): MappedDevices {
  const missing = missingForKernelMapper();
  if (missing !== undefined) {
    throw new DeviceMapperError("ENOTSUP", `Cannot use the kernel's device mapper: ${missing}`);
  }
  turnManglingOff();
  if (options.deviceDir !== undefined) setDeviceDir(options.deviceDir);
  if (options.udevSync === false) turnUdevSyncOff();
  return new KernelMappedDevices(options);
}

class KernelMappedDevices implements MappedDevices {
  readonly kind = "kernel";
  readonly #addNode: "on resume" | "on create";
  readonly #udevFlags: number;

  constructor({ addNode = "on resume", udevRules = true, verifyUdev = false }: KernelMappedDevicesOptions) {
    this.#addNode = addNode;
    this.#udevFlags =
      (udevRules ? 0 : udevFlags.disableDmRules | udevFlags.disableSubsystemRules) |
      (verifyUdev ? 0 : udevFlags.disableLibraryFallback);
  }

  async version(): Promise<{ library: string; driver: string }> {
    const driver = await devmapper("version", {}, (answer) => answer.driverVersion());
    return { library: libdevmapperVersion(), driver };
  }

  targets(): Promise<TargetVersion[]> {
    return devmapper("targetVersions", {}, (answer) => answer.targetVersions());
  }

  async create(name: string, options: { uuid?: string; minor?: number } = {}): Promise<void> {
    await this.#do("create", { name, addNode: this.#addNode, ...options }, `create '${name}'`);
  }

  async load(name: string, table: readonly TableSegment[], options: { readOnly?: boolean } = {}): Promise<void> {
    const targets = table.map(({ start, length, target, parameters }) => ({
      start,
      sectors: length,
      type: target,
      parameters,
    }));
    await this.#do("reload", { name, targets, readOnly: options.readOnly === true }, `load a table for '${name}'`);
  }

  async clear(name: string): Promise<void> {
    await this.#do("clear", { name }, `clear '${name}'`);
  }

  async suspend(name: string, options: { noFlush?: boolean; noLockFs?: boolean } = {}): Promise<void> {
    try {
      await suspendDevice(name, { noFlush: options.noFlush === true, noLockFs: options.noLockFs === true });
    } catch (error) {
      throw errorCode(error) === "ENXIO" ? unknownDevice(name) : refused(`suspend '${name}'`, error);
    }
  }

  async resume(name: string): Promise<void> {
    await this.#change("resume", { name, addNode: this.#addNode }, `resume '${name}'`);
  }

  async remove(name: string, options: { deferred?: boolean } = {}): Promise<void> {
    await this.#change("remove", { name, deferred: options.deferred === true }, `remove '${name}'`);
  }

  async rename(name: string, newName: string): Promise<void> {
    await this.#change("rename", { name, newName }, `rename '${name}' to '${newName}'`);
  }

  async setUuid(name: string, uuid: string): Promise<void> {
    await this.#change("rename", { name, newUuid: uuid }, `give '${name}' the uuid '${uuid}'`);
  }

  async message(name: string, sector: number, message: string): Promise<string> {
    try {
      if (!slowMessage.test(message)) {
        return await devmapper("message", { name, sector, message }, (answer) => answer.response());
      }
      await messageDevice(name, message, sector);
      return "";
    } catch (error) {
      throw refusedMessage(name, message, error);
    }
  }

  async messages(name: string, sector: number, messages: readonly string[]): Promise<void> {
    for (const [done, message] of messages.entries()) {
      try {
        await this.message(name, sector, message);
      } catch (error) {
        throw error instanceof DeviceMapperError ? new DeviceMapperError(error.code, error.message, { done }) : error;
      }
    }
  }

  async table(name: string, slot: TableSlot = "live"): Promise<TableSegment[]> {
    const request = { name, inactive: slot === "inactive" };
    return (await this.#ask("table", request, (answer) => answer.targets())).map(segment);
  }

  async status(name: string, options: { noFlush?: boolean; slot?: TableSlot } = {}): Promise<StatusSegment[]> {
    const request = { name, inactive: options.slot === "inactive", noFlush: options.noFlush === true };
    return (await this.#ask("status", request, (answer) => answer.targets())).map(segment);
  }

  async deps(name: string, slot: TableSlot = "live"): Promise<{ major: number; minor: number }[]> {
    const request = { name, inactive: slot === "inactive" };
    return (await this.#ask("deps", request, (answer) => answer.deps())).map(majorMinor);
  }

  async info(name: string): Promise<MappedDeviceInfo | undefined> {
    const { info, uuid } = await this.#ask("info", { name }, (answer) => ({
      info: answer.info(),
      uuid: answer.uuid(),
    }));
    return info.exists ? { name, uuid, ...info } : undefined;
  }

  async list(): Promise<ListedDevice[]> {
    const devices = await devmapper("list", {}, (answer) => answer.devices());
    return devices.map(({ name, numbers }) => ({ name, ...majorMinor(numbers) }));
  }

  waitForEvent(name: string, afterEventNumber: number, signal?: AbortSignal): Promise<number> {
    const eventNumber = async () => {
      const info = await this.info(name);
      if (info === undefined) throw unknownDevice(name);
      return info.eventNumber;
    };
    return eventAfter(afterEventNumber, eventNumber, signal);
  }

  async makeNodes(name?: string): Promise<void> {
    await this.#do("mknodes", name === undefined ? {} : { name }, "make nodes");
  }

  async setGeometry(name: string, { cylinders, heads, sectors, start }: DeviceGeometry): Promise<void> {
    const geometry = [cylinders, heads, sectors, start].map(String) as [string, string, string, string];
    await this.#do("setGeometry", { name, geometry }, `set the geometry of '${name}'`);
  }

  /** A task that makes a uevent. */
  async #change(task: DevmapperTask, request: DevmapperRequest, what: string): Promise<void> {
    await this.#do(task, { ...request, udevFlags: this.#udevFlags }, what);
  }

  async #do(task: DevmapperTask, request: DevmapperRequest, what: string): Promise<void> {
    try {
      await devmapper(task, request, () => undefined);
    } catch (error) {
      throw refused(what, error);
    }
  }

  async #ask<T>(task: DevmapperTask, request: DevmapperRequest, take: (answer: DevmapperAnswer) => T): Promise<T> {
    try {
      return await devmapper(task, request, take);
    } catch (error) {
      throw refused(`read the ${task} of '${request.name ?? ""}'`, error);
    }
  }
}

function segment({ start, sectors, type, parameters }: DevmapperTarget): TableSegment {
  return { start, length: sectors, target: type, parameters };
}

function majorMinor(numbers: string): { major: number; minor: number } {
  const [major, minor] = numbers.split(":").map(Number);
  return { major, minor };
}
