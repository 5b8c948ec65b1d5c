import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { DeviceMapperError } from "../../device-mapper/device-mapper-error.ts";
import type { BlockLocation, DeviceInfo, DeviceMapper, PoolUsage } from "../../device-mapper/device-mapper.ts";
import { attachLoop, detachLoop, loopBusy } from "../../linux/loop.ts";

interface State {
  transactionId: number;
  thin: Record<string, { transactionId: number }>;
  devices: Record<string, { table: string; loop?: string }>;
}

/**
 * A device mapper for tests that need one to fail on purpose, and no real pool: each thin device is a sparse file with a loop
 * device, a snapshot a copy of it.
 */
export class FileDeviceMapper implements DeviceMapper {
  readonly kind = "userspace";
  readonly libraryVersion = "test";
  readonly udevSyncSupported = true;
  readonly supportsDeferredRemoval = false;
  readonly #folder: string;
  /** Called before each call that changes something; may throw. */
  before: (what: string) => void = () => undefined;
  totalDataBlocks = 1000;
  usedDataBlocks = 0;
  usedMetadataBlocks = 10;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
  }

  create(name: string, table: string): Promise<void> {
    return this.#change(`create ${name}`, (state) => {
      if (name in state.devices) throw new DeviceMapperError("EEXIST", `device ${name} exists`);
      const [, sectors, target, , id] = table.split(" ");
      if (target === "thin-pool") {
        state.devices[name] = { table };
        return;
      }
      if (!(id in state.thin)) throw new DeviceMapperError("ENODATA", `no thin device ${id}`);
      const file = this.#file(id);
      if (statSync(file).size < Number(sectors) * 512) truncateSync(file, Number(sectors) * 512);
      state.devices[name] = { table, loop: attachLoop(file) };
    });
  }

  reload(name: string, table: string): Promise<void> {
    return this.#change(`reload ${name}`, (state) => {
      state.devices[name].table = table;
    });
  }

  suspend(): Promise<void> {
    return Promise.resolve();
  }

  resume(): Promise<void> {
    return Promise.resolve();
  }

  remove(name: string): Promise<void> {
    return this.#change(`remove ${name}`, (state) => {
      if (!(name in state.devices)) throw new DeviceMapperError("ENXIO", `no device ${name}`);
      const { loop } = state.devices[name];
      if (loop !== undefined && detachLoop(loop) === "busy") throw new DeviceMapperError("EBUSY", `${name} is in use`);
      state.devices = without(state.devices, name);
    });
  }

  cancelDeferredRemoval(): Promise<void> {
    return Promise.resolve();
  }

  async message(_: string, message: string): Promise<string> {
    await this.#change(message, (state) => {
      const [verb, id, origin] = message.split(" ");
      if (verb === "set_transaction_id") {
        if (Number(id) !== state.transactionId) throw new DeviceMapperError("EINVAL", "transaction id");
        state.transactionId = Number(origin);
      } else if (verb === "delete") {
        if (!(id in state.thin)) throw new DeviceMapperError("ENODATA", `no thin device ${id}`);
        state.thin = without(state.thin, id);
        rmSync(this.#file(id));
      } else {
        if (id in state.thin) throw new DeviceMapperError("EEXIST", `thin device ${id} exists`);
        if (verb === "create_thin") writeFileSync(this.#file(id), "");
        else if (!existsSync(this.#file(origin))) throw new DeviceMapperError("ENODATA", `no thin device ${origin}`);
        else execFileSync("cp", ["--sparse=always", this.#file(origin), this.#file(id)]);
        state.thin[id] = { transactionId: state.transactionId };
      }
    });
    return "";
  }

  status(name: string): Promise<string> {
    const state = this.#read();
    if (!(name in state.devices)) return Promise.reject(new DeviceMapperError("ENXIO", `no device ${name}`));
    const [, sectors, target] = state.devices[name].table.split(" ");
    if (target === "thin") return Promise.resolve(`0 ${sectors} thin 0 -`);
    const metadata = `${this.usedMetadataBlocks}/1000`;
    const data = `${this.usedDataBlocks}/${this.totalDataBlocks}`;
    return Promise.resolve(
      `0 ${sectors} thin-pool ${state.transactionId} ${metadata} ${data} - rw discard_passdown queue_if_no_space - 1024`,
    );
  }

  table(name: string): Promise<string> {
    return Promise.resolve(this.#read().devices[name].table);
  }

  info(name: string): Promise<DeviceInfo | undefined> {
    const device = this.#read().devices[name] as { table: string; loop?: string } | undefined;
    if (device === undefined) return Promise.resolve(undefined);
    return Promise.resolve({
      name,
      target: device.loop === undefined ? "thin-pool" : "thin",
      blockDevice: device.loop,
      open: device.loop !== undefined && loopBusy(device.loop),
      suspended: false,
      deferredRemove: false,
      tableLine: device.table,
    });
  }

  async list(): Promise<DeviceInfo[]> {
    const infos = await Promise.all(Object.keys(this.#read().devices).map((name) => this.info(name)));
    return infos.flatMap((info) => info ?? []);
  }

  usage(): Promise<PoolUsage> {
    const devices = Object.entries(this.#read().thin).map(([id, { transactionId }]) => ({
      id: Number(id),
      mappedBlocks: Math.ceil(statSync(this.#file(id)).blocks / 128),
      exclusiveBlocks: 0,
      transactionId,
      creationTime: 0,
      snapshottedTime: 0,
    }));
    return Promise.resolve({ blockSizeSectors: 128, devices });
  }

  locate(_: string, id: number): Promise<BlockLocation> {
    return Promise.resolve({ dataBlock: undefined, time: undefined, owners: [id] });
  }

  checkMetadata(): Promise<string[]> {
    return Promise.resolve([]);
  }

  /** As a power cut leaves it: nothing active, what is on the disk stays. */
  powerCut(): void {
    const state = this.#read();
    for (const { loop } of Object.values(state.devices)) if (loop !== undefined) detachLoop(loop);
    this.#write({ ...state, devices: {} });
  }

  /** Puts a thin device behind the graph's back. */
  plant(id: number, origin: number): void {
    const state = this.#read();
    copyFileSync(this.#file(String(origin)), this.#file(String(id)));
    this.#write({ ...state, thin: { ...state.thin, [id]: { transactionId: 0 } } });
  }

  #file(id: string): string {
    return join(this.#folder, `thin-${id}`);
  }

  #change(what: string, change: (state: State) => void): Promise<void> {
    try {
      this.before(what);
      const state = this.#read();
      change(state);
      this.#write(state);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #read(): State {
    const path = join(this.#folder, "state.json");
    if (!existsSync(path)) return { transactionId: 0, thin: {}, devices: {} };
    return JSON.parse(readFileSync(path, "utf8")) as State;
  }

  #write(state: State): void {
    writeFileSync(join(this.#folder, "state.json"), JSON.stringify(state));
  }
}

function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}
