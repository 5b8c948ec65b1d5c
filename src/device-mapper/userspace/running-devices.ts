import { ControlClient } from "../../block-device/control-client.ts";
import { mappedDeviceNames, mappedRunDir } from "../../block-device/mapped/mapped-process.ts";
import type { MappedInfo } from "../../block-device/mapped/mapped-service.ts";
import { poolFolders, poolNames } from "../../block-device/pool-process.ts";
import type { PoolInfo, VolumeInfo } from "../../block-device/pool-service.ts";
import { readPoolState } from "../../block-device/pool-state.ts";
import { syncDevice } from "../../linux/block-device.ts";
import { errorCode } from "../../linux/system-error.ts";
import { unknownDevice } from "../device-name.ts";
import { type DeviceRecord, DeviceRecords } from "./device-records.ts";
import { mappedPlace, pathsOf, type Place, poolPlace, volumePlace } from "./place.ts";
import { asDeviceMapperError, translated } from "./translated.ts";
import { VolumeLoop } from "./volume-loop.ts";

/** The devices that run in a run folder: what both views of them, the graph's and dmsetup's, stand on. */
export class RunningDevices {
  readonly runDir: string;
  readonly records: DeviceRecords;
  readonly #pools: ControlClient;
  readonly #mapped: ControlClient;

  constructor(runDir: string) {
    this.runDir = runDir;
    this.records = new DeviceRecords(runDir);
    this.#pools = new ControlClient(runDir);
    this.#pools.onRecovered = (pool) => this.#attachAgain(poolPlace(pool));
    this.#mapped = new ControlClient(mappedRunDir(runDir));
    this.#mapped.onRecovered = (host) => this.#attachAgain(mappedPlace(host));
  }

  /** Sends a control message to what serves a place. @throws DeviceMapperError */
  send(place: Place, text: string): Promise<string> {
    return translated(this.#client(place).send(place.host, text));
  }

  /** Sends many messages to a pool, in order. @throws DeviceMapperError its `done` says how many were carried out */
  sendBatch(pool: Place, messages: readonly string[]): Promise<void> {
    return translated(this.#pools.sendBatch(pool.host, messages));
  }

  /** Whether something serves a place, or is started anew to do so. A volume need not be active there. */
  ensure(place: Place): Promise<boolean> {
    return translated(this.#client(place).ensure(place.host));
  }

  /** Whether the processes of a place run, or should. Asks nobody. */
  runs(place: Place): boolean {
    return readPoolState(pathsOf(this.runDir, place)) !== undefined;
  }

  loop(place: Place): VolumeLoop {
    return new VolumeLoop(pathsOf(this.runDir, place), place.file, this.runDir);
  }

  /** Where the device of a name is, or may be: its processes run, and a volume was announced. */
  async find(name: string): Promise<Place | undefined> {
    const recorded = this.records.read(name)?.place;
    for (const place of recorded === undefined ? this.#placesNamed(name) : [recorded]) {
      if (this.isAnnounced(place) && (await this.ensure(place))) return place;
    }
    return undefined;
  }

  /** The record of a device; not of one that went by itself since it was written. */
  record(name: string): DeviceRecord | undefined {
    const record = this.records.read(name);
    const gone = record?.place !== undefined && record.inactive === undefined && !this.isAnnounced(record.place);
    return gone ? undefined : record;
  }

  /** @throws DeviceMapperError ENXIO */
  async require(name: string): Promise<Place> {
    const place = await this.find(name);
    if (place === undefined) throw unknownDevice(name);
    return place;
  }

  /** The name of a device at a place. @param note its loop's, where that was read already */
  nameOf(place: Place, note = this.loop(place).noted): string {
    return note?.name ?? (place.kind === "pool" ? place.host : place.file);
  }

  /** All that runs: pools, each with its volumes behind it, and mapped devices. */
  async places(): Promise<Place[]> {
    const places: Place[] = [];
    for (const pool of poolNames(this.runDir)) {
      try {
        const volumes = await this.volumes(poolPlace(pool));
        places.push(poolPlace(pool), ...volumes.map(({ name }) => volumePlace(pool, name)));
      } catch (error) {
        if (errorCode(error) !== "ENXIO") throw error; // it went meanwhile
      }
    }
    return [...places, ...mappedDeviceNames(this.runDir).map(mappedPlace)];
  }

  /** The active volumes of a pool. */
  async volumes(pool: Place): Promise<VolumeInfo[]> {
    return JSON.parse(await this.send(pool, "list")) as VolumeInfo[];
  }

  /** @throws DeviceMapperError ENXIO when the volume is not active */
  async volume(place: Place): Promise<VolumeInfo> {
    return JSON.parse(await this.send(place, `info ${place.file}`)) as VolumeInfo;
  }

  async pool(place: Place): Promise<PoolInfo> {
    return JSON.parse(await this.send(place, "pool_info")) as PoolInfo;
  }

  async mapped(place: Place): Promise<MappedInfo> {
    return JSON.parse(await this.send(place, "info")) as MappedInfo;
  }

  /** The block device at a place, attached if it was not. @throws DeviceMapperError ENXIO when the device went meanwhile */
  async attached(place: Place, number?: number): Promise<string> {
    const loop = this.loop(place);
    try {
      const device = loop.find();
      if (device !== undefined && device === loop.noted?.device) return device;
      const blocks = place.kind === "mapped" ? { blockSizeBytes: (await this.mapped(place)).blockBytes } : {};
      return await loop.attach("again", { ...blocks, ...(number === undefined ? {} : { number }) });
    } catch (error) {
      throw errorCode(error) === "ENOENT" ? unknownDevice(this.nameOf(place)) : asDeviceMapperError(error);
    }
  }

  /** I/O waits from now on. `noFlush`: what was written is not flushed first. */
  async hold(place: Place, options: { noFlush?: boolean } = {}): Promise<void> {
    const words = ["suspend", ...(place.kind === "mapped" ? [] : [this.fileOf(place)])];
    await this.send(place, [...words, ...(options.noFlush === true ? ["noflush"] : [])].join(" "));
  }

  /** I/O goes on. */
  async release(place: Place): Promise<void> {
    await this.send(place, place.kind === "mapped" ? "resume" : `resume ${this.fileOf(place)}`);
  }

  /** What a pool's control messages call a device: a volume by its file, the pool itself by its own name. */
  fileOf({ kind, host, file }: Place): string {
    return kind === "pool" ? host : file;
  }

  /** Whether I/O waits at a place. A volume's also waits while its pool is suspended. */
  async isHeld(place: Place): Promise<boolean> {
    if (place.kind === "mapped") return (await this.mapped(place)).suspended;
    if (place.kind === "volume" && (await this.volume(place)).suspended) return true;
    return (await this.pool(place)).suspended;
  }

  /** Writes out what the kernel caches for a device; not where it is held, as that would never end. */
  async sync(place: Place): Promise<void> {
    if (place.kind === "pool" || (await this.isHeld(place))) return;
    const loop = this.loop(place);
    const device = loop.find();
    if (device !== undefined) await syncDevice(device, loop.busy() ? "the device and its file system" : "the device");
  }

  #client({ kind }: Place): ControlClient {
    return kind === "mapped" ? this.#mapped : this.#pools;
  }

  /** Where a device without a record may be: not where one is that began with this name and has another by now. */
  *#placesNamed(name: string): IterableIterator<Place> {
    const candidates = poolFolders(this.runDir).map((host) =>
      host === name ? poolPlace(host) : volumePlace(host, name),
    );
    for (const place of [...candidates, mappedPlace(name)]) {
      if (this.isAnnounced(place) && (this.loop(place).noted?.name ?? name) === name) yield place;
    }
  }

  /** Whether something is, or may be, served at a place. Asks nobody. */
  isAnnounced(place: Place): boolean {
    return place.kind === "volume" ? this.loop(place).announced : this.runs(place);
  }

  /** What was opened again has lost its loop devices. */
  async #attachAgain(host: Place): Promise<void> {
    const volumes = host.kind === "pool" ? await this.volumes(host) : [];
    for (const { name } of volumes) await this.attached(volumePlace(host.host, name));
    if (host.kind === "mapped" || this.loop(host).announced) await this.attached(host);
  }
}
