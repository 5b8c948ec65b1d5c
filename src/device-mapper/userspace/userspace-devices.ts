import { readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { poolNames, startPool } from "../../block-device/pool-process.ts";
import type { VolumeInfo } from "../../block-device/pool-service.ts";
import { loopBusy } from "../../linux/loop.ts";
import { majorMinor } from "../../linux/special-files.ts";
import { errorCode } from "../../linux/system-error.ts";
import { parsePoolTable } from "../../thin/pool-table.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import type {
  BlockLocation,
  ChangedBlocks,
  DeviceInfo,
  DeviceMapper,
  MessageDurability,
  PoolUsage,
  ThinDeviceDetails,
} from "../device-mapper.ts";
import { requireDeviceName, unknownDevice } from "../device-name.ts";
import { parseThinTable } from "../thin-table.ts";
import { pathsOf, type Place, poolPlace, volumePlace } from "./place.ts";
import { cancelRemoval, removeDevice } from "./remove-device.ts";
import { RunningDevices } from "./running-devices.ts";
import { asDeviceMapperError, translated } from "./translated.ts";
import { formatSegments, thinParameters, volumeSegments } from "./volume-lines.ts";

/** How often a pool is asked whether there was an event. */
const EVENT_POLL_MS = 500;
/** Thin devices have none. */
const noEvent = 0;

/** Pools as processes, thin devices as loop devices over their mounts. */
export class UserspaceDevices implements DeviceMapper {
  readonly kind = "userspace";
  readonly libraryVersion = "mica userspace device mapper";
  readonly udevSyncSupported = true;
  readonly supportsDeferredRemoval = true;
  readonly runDir: string;
  readonly #devices: RunningDevices;

  constructor(runDir: string) {
    this.runDir = runDir;
    this.#devices = new RunningDevices(runDir);
  }

  async create(name: string, table: string): Promise<string | undefined> {
    requireDeviceName(name);
    if (this.#devices.record(name) !== undefined || (await this.info(name)) !== undefined) {
      throw new DeviceMapperError("EEXIST", `Cannot create '${name}': there is a device of that name`);
    }
    if (targetOf(table) === "thin-pool") {
      await translated(startPool(this.runDir, name, table));
      return undefined;
    }
    const { pool, deviceId, sectors, externalOrigin } = parseThinTable(table);
    const host = await this.#poolOf(pool, name);
    const origin = externalOrigin === undefined ? "" : ` ${externalOrigin}`;
    const place = volumePlace(host, name);
    const loop = this.#devices.loop(place);
    const mark = loop.announce();
    try {
      await this.#devices.send(place, `activate ${name} ${deviceId} ${sectors}${origin}`);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") loop.forget();
      throw error;
    }
    try {
      await loop.attach(mark);
    } catch (error) {
      await this.#devices.send(place, `deactivate ${name}`);
      loop.forget();
      throw asDeviceMapperError(error);
    }
    return (await this.info(name))?.blockDevice;
  }

  async reload(name: string, table: string): Promise<void> {
    const place = await this.#require(name);
    if (place.kind === "pool") {
      await this.#devices.send(place, `reload ${table}`);
      return;
    }
    const wanted = parseThinTable(table);
    const { deviceId } = await this.#devices.volume(place);
    if (wanted.pool !== this.#poolNameOf(place) || wanted.deviceId !== deviceId) {
      throw new DeviceMapperError("EINVAL", `Cannot reload '${name}': only its length may change`);
    }
    await this.#devices.send(place, `resize ${place.file} ${wanted.sectors}`);
    this.#devices.loop(place).refreshSize();
  }

  async suspend(name: string, options: { noFlush?: boolean } = {}): Promise<void> {
    const place = await this.#require(name);
    if (options.noFlush !== true) await this.#devices.sync(place);
    await this.#devices.hold(place);
  }

  async resume(name: string): Promise<void> {
    await this.#devices.release(await this.#require(name));
  }

  async flush(name: string): Promise<void> {
    await this.#devices.sync(await this.#require(name));
  }

  async remove(name: string, options: { deferred?: boolean } = {}): Promise<void> {
    await removeDevice(this.#devices, name, await this.#require(name), options);
  }

  async cancelDeferredRemoval(name: string): Promise<void> {
    await cancelRemoval(this.#devices, await this.#require(name));
  }

  async message(name: string, message: string, durability: MessageDurability = "at once"): Promise<string> {
    const place = await this.#requirePool(name);
    return this.#devices.send(place, durability === "at once" ? message : `later ${message}`);
  }

  async messages(name: string, messages: readonly string[]): Promise<void> {
    await this.#devices.sendBatch(await this.#requirePool(name), messages);
  }

  async status(name: string): Promise<string> {
    const place = await this.#require(name);
    if (place.kind === "volume") {
      const { table, deviceId } = await this.#devices.volume(place);
      const status = deviceId === undefined ? "" : await this.#devices.send(place, `thin_status ${place.file}`);
      return formatSegments(volumeSegments(table, () => status));
    }
    const status = await this.#devices.send(place, "status");
    return `0 ${this.#tableOf(place).split(" ")[1]} thin-pool ${status}`;
  }

  async table(name: string): Promise<string> {
    const info = await this.info(name);
    if (info === undefined) throw unknownDevice(name);
    return info.tableLine;
  }

  async deps(name: string): Promise<string[]> {
    const place = await this.#require(name);
    if (place.kind === "volume") {
      const { externalOrigin } = await this.#devices.volume(place);
      return [this.#poolNameOf(place), ...(externalOrigin === undefined ? [] : [externalOrigin])];
    }
    const { metadataDevice, dataDevice } = parsePoolTable(this.#tableOf(place));
    return [metadataDevice, dataDevice];
  }

  async info(name: string): Promise<DeviceInfo | undefined> {
    const place = await this.#find(name);
    if (place === undefined) return undefined;
    try {
      if (place.kind === "pool") return await this.#poolInfo(place);
      return await this.#thinInfo(place, await this.#devices.volume(place), this.#poolNameOf(place));
    } catch (error) {
      if (errorCode(error) === "ENXIO") return undefined; // it went meanwhile
      throw error;
    }
  }

  async list(): Promise<DeviceInfo[]> {
    const devices: DeviceInfo[] = [];
    for (const pool of poolNames(this.runDir)) {
      try {
        devices.push(...(await this.#listPool(poolPlace(pool))));
      } catch (error) {
        if (errorCode(error) !== "ENXIO") throw error; // it went meanwhile
      }
    }
    return devices;
  }

  async waitForEvent(name: string, afterEventNumber: number, signal?: AbortSignal): Promise<number> {
    for (;;) {
      signal?.throwIfAborted();
      const place = await this.#require(name);
      const eventNumber = place.kind === "pool" ? (await this.#devices.pool(place)).eventNumber : noEvent;
      if (eventNumber !== afterEventNumber) return eventNumber;
      // Aborted, it ends early, and the next turn says so.
      await sleep(EVENT_POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  async thinDevices(pool: string): Promise<ThinDeviceDetails[]> {
    return JSON.parse(await this.#ask(pool, "devices")) as ThinDeviceDetails[];
  }

  async usage(pool: string): Promise<PoolUsage> {
    return JSON.parse(await this.#ask(pool, "usage")) as PoolUsage;
  }

  async addedBlocks(pool: string, id: number, originId: number): Promise<number> {
    return Number(await this.#ask(pool, `added ${id} ${originId}`));
  }

  async changedBlocks(pool: string, id: number, originId: number | undefined, begin: number): Promise<ChangedBlocks> {
    return JSON.parse(await this.#ask(pool, `changed ${id} ${originId ?? "-"} ${begin}`)) as ChangedBlocks;
  }

  async locate(pool: string, id: number, block: number): Promise<BlockLocation> {
    const { dataBlock, time, owners } = JSON.parse(await this.#ask(pool, `locate ${id} ${block}`)) as BlockLocation;
    return { dataBlock, time, owners };
  }

  async checkMetadata(pool: string): Promise<string[]> {
    return JSON.parse(await this.#ask(pool, "check")) as string[];
  }

  recover(): Promise<void> {
    // Its engine looks at the metadata itself, and what starts another engine puts everything right.
    return Promise.resolve();
  }

  async #listPool(pool: Place): Promise<DeviceInfo[]> {
    const volumes = await this.#devices.volumes(pool);
    const devices = [await this.#poolInfo(pool, volumes)];
    for (const volume of volumes) {
      try {
        devices.push(await this.#thinInfo(volumePlace(pool.host, volume.name), volume, devices[0].name));
      } catch (error) {
        if (errorCode(error) !== "ENXIO") throw error; // it went meanwhile
      }
    }
    return devices;
  }

  async #poolInfo(place: Place, known?: VolumeInfo[]): Promise<DeviceInfo> {
    const volumes = known ?? (await this.#devices.volumes(place));
    const { suspended, deferredRemove, eventNumber } = await this.#devices.pool(place);
    return {
      name: this.#devices.nameOf(place),
      target: "thin-pool",
      blockDevice: undefined,
      major: undefined,
      minor: undefined,
      open: volumes.length > 0,
      openCount: volumes.length,
      suspended,
      deferredRemove,
      eventNumber,
      uuid: undefined,
      tableLine: this.#tableOf(place),
    };
  }

  async #thinInfo(place: Place, volume: VolumeInfo, pool: string): Promise<DeviceInfo> {
    const { table, suspended, deferredRemove } = volume;
    const loop = this.#devices.loop(place);
    const note = loop.noted;
    const tableLine = formatSegments(volumeSegments(table, (segment) => thinParameters(pool, segment)));
    // A maker that was killed half-way leaves a volume without a block device.
    const blockDevice = loop.find(note) ?? (deferredRemove ? undefined : await this.#devices.attached(place));
    const open = blockDevice !== undefined && loopBusy(blockDevice);
    return {
      name: this.#devices.nameOf(place, note),
      target: "thin",
      blockDevice,
      ...(blockDevice === undefined ? { major: undefined, minor: undefined } : deviceNumbers(blockDevice)),
      open,
      openCount: open ? 1 : 0,
      suspended,
      deferredRemove,
      eventNumber: noEvent,
      uuid: undefined,
      tableLine,
    };
  }

  /** Mapped devices that are neither pools nor thin are not the graph's. */
  async #find(name: string): Promise<Place | undefined> {
    const place = await this.#devices.find(name);
    return place?.kind === "mapped" ? undefined : place;
  }

  async #require(name: string): Promise<Place> {
    const place = await this.#find(name);
    if (place === undefined) throw unknownDevice(name);
    return place;
  }

  /** A pool, without asking whether it runs: a message finds out. */
  async #requirePool(name: string): Promise<Place> {
    const place = this.#devices.records.read(name)?.place ?? poolPlace(name);
    if (place.kind !== "pool")
      throw new DeviceMapperError("EINVAL", `Cannot send a message to '${name}': it is no pool`);
    return Promise.resolve(place);
  }

  async #ask(pool: string, text: string): Promise<string> {
    return this.#devices.send(await this.#requirePool(pool), text);
  }

  /** The processes of a thin device's pool. */
  async #poolOf(pool: string, device: string): Promise<string> {
    const place = await this.#requirePool(pool);
    if (this.#devices.runs(place)) return place.host;
    throw new DeviceMapperError("ENXIO", `Cannot create '${device}': its pool '${pool}' does not run`);
  }

  #poolNameOf({ host }: Place): string {
    return this.#devices.nameOf(poolPlace(host));
  }

  #tableOf(place: Place): string {
    return readFileSync(pathsOf(this.runDir, place).table, "utf8");
  }
}

function deviceNumbers(blockDevice: string): { major: number; minor: number } {
  return majorMinor(statSync(blockDevice, { bigint: true }).rdev);
}

function targetOf(table: string): string | undefined {
  return table.trim().split(/\s+/)[2];
}
