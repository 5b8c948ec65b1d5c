import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ControlClient } from "../../block-device/control-client.ts";
import { ControlError } from "../../block-device/control-message.ts";
import { poolPaths, type PoolPaths } from "../../block-device/pool-paths.ts";
import { poolEnded, poolFolders, poolNames, startPool } from "../../block-device/pool-process.ts";
import type { PoolInfo, VolumeInfo } from "../../block-device/pool-service.ts";
import { readPoolState } from "../../block-device/pool-state.ts";
import { syncDevice } from "../../linux/block-device.ts";
import { refreshLoopSize } from "../../linux/loop.ts";
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
import { VolumeLoop } from "./volume-loop.ts";

/** A device that was found: a pool, or a volume of one. */
interface Found {
  kind: "pool" | "thin";
  paths: PoolPaths;
  name: string;
}

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
  readonly #client: ControlClient;

  constructor(runDir: string) {
    this.runDir = runDir;
    this.#client = new ControlClient(runDir);
    this.#client.onRecovered = (pool) => this.#attachAgain(pool);
  }

  async create(name: string, table: string): Promise<string | undefined> {
    requireDeviceName(name);
    if ((await this.info(name)) !== undefined) {
      throw new DeviceMapperError("EEXIST", `Cannot create '${name}': there is a device of that name`);
    }
    if (targetOf(table) === "thin-pool") {
      await translated(startPool(this.runDir, name, table));
      return undefined;
    }
    const { pool, deviceId, sectors, externalOrigin } = parseThinTable(table);
    const origin = externalOrigin === undefined ? "" : ` ${externalOrigin}`;
    const loop = this.#loop(pool, name);
    if (readPoolState(poolPaths(this.runDir, pool)) === undefined) {
      throw new DeviceMapperError("ENXIO", `Cannot create '${name}': its pool '${pool}' does not run`);
    }
    const mark = loop.announce();
    try {
      await this.#send(pool, `activate ${name} ${deviceId} ${sectors}${origin}`);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") loop.forget();
      throw error;
    }
    try {
      await loop.attach(mark);
    } catch (error) {
      await this.#send(pool, `deactivate ${name}`);
      loop.forget();
      throw asDeviceMapperError(error);
    }
    return (await this.info(name))?.blockDevice;
  }

  async reload(name: string, table: string): Promise<void> {
    const found = await this.#require(name);
    if (found.kind === "pool") {
      await this.#send(name, `reload ${table}`);
      return;
    }
    const wanted = parseThinTable(table);
    const info = await this.#volume(found);
    if (wanted.pool !== found.paths.name || wanted.deviceId !== info.deviceId) {
      throw new DeviceMapperError("EINVAL", `Cannot reload '${name}': only its length may change`);
    }
    await this.#send(found.paths.name, `resize ${name} ${wanted.sectors}`);
    statSync(join(found.paths.mount, name)); // the kernel caches the size; asking for it brings it up to date
    const device = this.#loop(found.paths.name, name).find();
    if (device !== undefined) refreshLoopSize(device);
  }

  async suspend(name: string, options: { noFlush?: boolean } = {}): Promise<void> {
    const found = await this.#require(name);
    if (found.kind === "thin" && options.noFlush !== true) await this.#syncUnlessHeld(found);
    await this.#send(found.paths.name, `suspend ${name}`);
  }

  async resume(name: string): Promise<void> {
    const found = await this.#require(name);
    await this.#send(found.paths.name, `resume ${name}`);
  }

  async flush(name: string): Promise<void> {
    const found = await this.#require(name);
    if (found.kind === "thin") await this.#syncUnlessHeld(found);
  }

  async remove(name: string, options: { deferred?: boolean } = {}): Promise<void> {
    const found = await this.#require(name);
    const pool = found.paths.name;
    if (found.kind === "pool") {
      const answer = await this.#send(pool, options.deferred === true ? `defer ${pool} on` : "shutdown");
      if (options.deferred !== true || answer === "gone") await translated(poolEnded(this.runDir, pool));
      return;
    }
    const loop = this.#loop(pool, name);
    // I/O that is held would keep the loop device from ever being let go.
    if ((await this.#volume(found)).suspended) await this.#send(pool, `resume ${name}`);
    if (options.deferred === true && loop.busy()) {
      await this.#send(pool, `defer ${name} on`);
      loop.detachLater();
      return;
    }
    await translated(loop.detach(name));
    await this.#send(pool, `deactivate ${name}`);
    loop.forget();
  }

  async cancelDeferredRemoval(name: string): Promise<void> {
    const found = await this.#require(name);
    await this.#send(found.paths.name, `defer ${name} off`);
    if (found.kind === "thin") this.#loop(found.paths.name, name).keep();
  }

  message(name: string, message: string, durability: MessageDurability = "at once"): Promise<string> {
    return this.#send(name, durability === "at once" ? message : `later ${message}`);
  }

  messages(name: string, messages: readonly string[]): Promise<void> {
    return translated(this.#client.sendBatch(name, messages));
  }

  async status(name: string): Promise<string> {
    const found = await this.#require(name);
    if (found.kind === "thin") {
      const { sizeSectors } = await this.#volume(found);
      return `0 ${sizeSectors} thin ${await this.#send(found.paths.name, `thin_status ${name}`)}`;
    }
    const status = await this.#send(name, "status");
    return `0 ${tableOf(found.paths).split(" ")[1]} thin-pool ${status}`;
  }

  async table(name: string): Promise<string> {
    const info = await this.info(name);
    if (info === undefined) throw unknownDevice(name);
    return info.tableLine;
  }

  async deps(name: string): Promise<string[]> {
    const found = await this.#require(name);
    if (found.kind === "thin") {
      const { externalOrigin } = await this.#volume(found);
      return [found.paths.name, ...(externalOrigin === undefined ? [] : [externalOrigin])];
    }
    const { metadataDevice, dataDevice } = parsePoolTable(tableOf(found.paths));
    return [metadataDevice, dataDevice];
  }

  async info(name: string): Promise<DeviceInfo | undefined> {
    const found = await this.#find(name);
    if (found === undefined) return undefined;
    try {
      if (found.kind === "pool") return await this.#poolInfo(found.paths);
      return await this.#thinInfo(found.paths, await this.#volume(found));
    } catch (error) {
      if (errorCode(error) === "ENXIO") return undefined; // it went meanwhile
      throw error;
    }
  }

  async list(): Promise<DeviceInfo[]> {
    const devices: DeviceInfo[] = [];
    for (const pool of poolNames(this.runDir)) {
      try {
        devices.push(...(await this.#listPool(pool)));
      } catch (error) {
        if (errorCode(error) !== "ENXIO") throw error; // it went meanwhile
      }
    }
    return devices;
  }

  async waitForEvent(name: string, afterEventNumber: number, signal?: AbortSignal): Promise<number> {
    for (;;) {
      signal?.throwIfAborted();
      const found = await this.#require(name);
      const eventNumber = found.kind === "pool" ? (await this.#pool(found.paths)).eventNumber : noEvent;
      if (eventNumber !== afterEventNumber) return eventNumber;
      // Aborted, it ends early, and the next turn says so.
      await sleep(EVENT_POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  async thinDevices(pool: string): Promise<ThinDeviceDetails[]> {
    return JSON.parse(await this.#send(pool, "devices")) as ThinDeviceDetails[];
  }

  async usage(pool: string): Promise<PoolUsage> {
    return JSON.parse(await this.#send(pool, "usage")) as PoolUsage;
  }

  async addedBlocks(pool: string, id: number, originId: number): Promise<number> {
    return Number(await this.#send(pool, `added ${id} ${originId}`));
  }

  async changedBlocks(pool: string, id: number, originId: number | undefined, begin: number): Promise<ChangedBlocks> {
    return JSON.parse(await this.#send(pool, `changed ${id} ${originId ?? "-"} ${begin}`)) as ChangedBlocks;
  }

  async locate(pool: string, id: number, block: number): Promise<BlockLocation> {
    const { dataBlock, time, owners } = JSON.parse(await this.#send(pool, `locate ${id} ${block}`)) as BlockLocation;
    return { dataBlock, time, owners };
  }

  async checkMetadata(pool: string): Promise<string[]> {
    return JSON.parse(await this.#send(pool, "check")) as string[];
  }

  /** What is held already would never be written out. */
  async #syncUnlessHeld(volume: Found): Promise<void> {
    if ((await this.#volume(volume)).suspended || (await this.#pool(volume.paths)).suspended) return;
    const loop = this.#loop(volume.paths.name, volume.name);
    const device = loop.find();
    if (device === undefined) return;
    await syncDevice(device, loop.busy() ? "the device and its file system" : "the device");
  }

  recover(): Promise<void> {
    // Its engine looks at the metadata itself, and what starts another engine puts everything right.
    return Promise.resolve();
  }

  async #listPool(pool: string): Promise<DeviceInfo[]> {
    const volumes = JSON.parse(await this.#send(pool, "list")) as VolumeInfo[];
    const paths = poolPaths(this.runDir, pool);
    const devices = [await this.#poolInfo(paths, volumes)];
    for (const volume of volumes) {
      try {
        devices.push(await this.#thinInfo(paths, volume));
      } catch (error) {
        if (errorCode(error) !== "ENXIO") throw error; // it went meanwhile
      }
    }
    return devices;
  }

  async #poolInfo(paths: PoolPaths, known?: VolumeInfo[]): Promise<DeviceInfo> {
    const volumes = known ?? (JSON.parse(await this.#send(paths.name, "list")) as VolumeInfo[]);
    const { suspended, deferredRemove, eventNumber } = await this.#pool(paths);
    return {
      name: paths.name,
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
      tableLine: tableOf(paths),
    };
  }

  async #thinInfo(paths: PoolPaths, volume: VolumeInfo): Promise<DeviceInfo> {
    const { name, suspended, deferredRemove, table: tableLine } = volume;
    const loop = this.#loop(paths.name, name);
    // A maker that was killed half-way leaves a volume without a block device.
    const blockDevice = loop.find() ?? (deferredRemove ? undefined : await attached(loop, name));
    const open = loop.busy();
    return {
      name,
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

  async #pool(paths: PoolPaths): Promise<PoolInfo> {
    return JSON.parse(await this.#send(paths.name, "pool_info")) as PoolInfo;
  }

  async #volume(found: { paths: PoolPaths; name: string }): Promise<VolumeInfo> {
    return JSON.parse(await this.#send(found.paths.name, `info ${found.name}`)) as VolumeInfo;
  }

  #loop(pool: string, name: string): VolumeLoop {
    return new VolumeLoop(poolPaths(this.runDir, pool), name);
  }

  /** Volumes of a pool that was opened again have lost their loop devices. */
  async #attachAgain(pool: string): Promise<void> {
    for (const { name } of JSON.parse(await this.#client.send(pool, "list")) as VolumeInfo[]) {
      await this.#loop(pool, name).attach();
    }
  }

  async #find(name: string): Promise<Found | undefined> {
    for (const pool of poolFolders(this.runDir)) {
      const kind = pool === name ? "pool" : "thin";
      if (kind === "thin" && !this.#loop(pool, name).announced) continue;
      if (!(await translated(this.#client.ensure(pool)))) continue;
      return { kind, paths: poolPaths(this.runDir, pool), name };
    }
    return undefined;
  }

  async #require(name: string): Promise<Found> {
    const found = await this.#find(name);
    if (found === undefined) throw unknownDevice(name);
    return found;
  }

  async #send(pool: string, text: string): Promise<string> {
    return translated(this.#client.send(pool, text));
  }
}

/** ENXIO when the volume has gone since it was seen. */
async function attached(loop: VolumeLoop, name: string): Promise<string> {
  try {
    return await loop.attach();
  } catch (error) {
    throw errorCode(error) === "ENOENT" ? unknownDevice(name) : asDeviceMapperError(error);
  }
}

function tableOf(paths: PoolPaths): string {
  return readFileSync(paths.table, "utf8");
}

function deviceNumbers(blockDevice: string): { major: number; minor: number } {
  return majorMinor(statSync(blockDevice, { bigint: true }).rdev);
}

function targetOf(table: string): string | undefined {
  return table.trim().split(/\s+/)[2];
}

async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw asDeviceMapperError(error);
  }
}

function asDeviceMapperError(error: unknown): unknown {
  if (error instanceof DeviceMapperError || !(error instanceof Error)) return error;
  if (error instanceof ControlError) return new DeviceMapperError(error.code, error.message, { done: error.done });
  const code = errorCode(error);
  return code === undefined ? error : new DeviceMapperError(code, error.message);
}
