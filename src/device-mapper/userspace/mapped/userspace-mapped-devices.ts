import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defaultRunDir } from "../../../block-device/pool-paths.ts";
import { parsePoolMessage } from "../../../thin/pool-message.ts";
import { DeviceMapperError } from "../../device-mapper-error.ts";
import type {
  ListedDevice,
  MappedDeviceInfo,
  MappedDevices,
  StatusSegment,
  TableSegment,
  TableSlot,
  TargetVersion,
} from "../../mapped-devices.ts";
import { unknownDevice } from "../../device-name.ts";
import { defaultDeviceDir } from "../device-link.ts";
import { DeviceLocks } from "../device-locks.ts";
import type { Place } from "../place.ts";
import { cancelRemoval, removeDevice } from "../remove-device.ts";
import { RunningDevices } from "../running-devices.ts";
import { translated } from "../translated.ts";
import { createDevice, giveUuid, renameDevice } from "./change-names.ts";
import { checkTable } from "./check-table.ts";
import { makeNodes } from "./make-nodes.ts";
import { type MappedContext, requireDevice, type SeenDevice, seeDevice } from "./mapped-context.ts";
import { resumeDevice } from "./resume-device.ts";
import { depsOf, infoOf, listDevices, statusOf, tableOf } from "./tell-device.ts";

/** Where devices in user space are. */
export interface UserspaceMappedDevicesOptions {
  /** The folder of what runs; default MICA_RUN_DIR, else /run/mica. */
  runDir?: string;
  /** The folder whose `mapper` has the links to block devices; default DM_DEV_DIR, else /dev. */
  deviceDir?: string;
}

/** How often a device is asked whether there was an event. */
const EVENT_POLL_MS = 100;

/** What of the kernel (Linux 6.1) these targets do, for programs that look before they use a feature. */
const targetVersions: TargetVersion[] = [
  { name: "thin", version: [1, 22, 0] },
  { name: "thin-pool", version: [1, 22, 0] },
  { name: "striped", version: [1, 6, 0] },
  { name: "linear", version: [1, 4, 0] },
  { name: "error", version: [1, 5, 0] },
  { name: "zero", version: [1, 2, 0] },
];

/**
 * dmsetup's view of the devices in user space: of those that it makes, and of those that run for graphs.
 *
 * Each change of a device is made with its lock held, and in an order in which a caller that is killed leaves a device that can be used or removed.
 */
export function userspaceMappedDevices(options: UserspaceMappedDevicesOptions = {}): MappedDevices {
  const { runDir, deviceDir } = options;
  return new UserspaceMappedDevices(
    runDir === undefined ? defaultRunDir() : resolve(runDir),
    deviceDir === undefined ? defaultDeviceDir() : resolve(deviceDir),
  );
}

class UserspaceMappedDevices implements MappedDevices {
  readonly kind = "userspace";
  readonly #context: MappedContext;
  readonly #devices: RunningDevices;

  constructor(runDir: string, deviceDir: string) {
    this.#devices = new RunningDevices(runDir);
    this.#context = { devices: this.#devices, deviceDir, locks: new DeviceLocks(runDir) };
  }

  version(): Promise<{ library: string; driver: string }> {
    return Promise.resolve({ library: "1.02.185 (Mica, in user space)", driver: "4.47.0" });
  }

  targets(): Promise<TargetVersion[]> {
    return Promise.resolve(targetVersions);
  }

  create(name: string, options: { uuid?: string; minor?: number } = {}): Promise<void> {
    return this.#changing([name], () => createDevice(this.#context, name, options));
  }

  load(name: string, table: readonly TableSegment[], options: { readOnly?: boolean } = {}): Promise<void> {
    return this.#change(name, async (seen) => {
      const segments = await checkTable(this.#context, seen, table);
      const { record, place } = seen;
      const inactive = { segments, readOnly: options.readOnly === true };
      this.#devices.records.write(name, { ...record, place: place ?? record?.place, inactive });
    });
  }

  clear(name: string): Promise<void> {
    return this.#change(name, ({ record, place }) => {
      if (record !== undefined) this.#devices.records.write(name, { ...record, place, inactive: undefined });
      return Promise.resolve();
    });
  }

  suspend(name: string, options: { noFlush?: boolean; noLockFs?: boolean } = {}): Promise<void> {
    const { noFlush = false, noLockFs = false } = options;
    return this.#change(name, async ({ record, place }) => {
      if (place === undefined) {
        this.#devices.records.write(name, { ...record, suspended: true });
        return;
      }
      if (!noFlush && !noLockFs) await this.#devices.sync(place);
      await this.#devices.hold(place, { noFlush });
    });
  }

  resume(name: string): Promise<void> {
    return this.#change(name, (seen) => resumeDevice(this.#context, seen));
  }

  remove(name: string, options: { deferred?: boolean } = {}): Promise<void> {
    return this.#change(name, async ({ record, place }) => {
      if (place !== undefined) {
        // With its last user it goes, whatever was loaded.
        if (record !== undefined) this.#devices.records.write(name, { ...record, place, inactive: undefined });
        await removeDevice(this.#devices, name, place, options);
        return;
      }
      if (record?.place?.kind === "volume") this.#devices.loop(record.place).forget();
      this.#devices.records.remove(name);
    });
  }

  rename(name: string, newName: string): Promise<void> {
    return this.#changing([name, newName], () => renameDevice(this.#context, name, newName));
  }

  setUuid(name: string, uuid: string): Promise<void> {
    return this.#changing([name], () => giveUuid(this.#context, name, uuid));
  }

  async message(name: string, sector: number, message: string): Promise<string> {
    if (message.trim() === "@cancel_deferred_remove") {
      await cancelRemoval(this.#devices, await this.#live(name));
      return "";
    }
    const pool = await this.#target(name, sector);
    if (pool === undefined) return "";
    return translated(Promise.resolve(message).then(parsePoolMessage)).then(() => this.#devices.send(pool, message));
  }

  async messages(name: string, sector: number, messages: readonly string[]): Promise<void> {
    const pool = await this.#target(name, sector);
    if (pool !== undefined) await this.#devices.sendBatch(pool, messages);
  }

  async table(name: string, slot: TableSlot = "live"): Promise<TableSegment[]> {
    return translated(tableOf(this.#context, await this.#see(name), slot));
  }

  async status(name: string, options: { noFlush?: boolean; slot?: TableSlot } = {}): Promise<StatusSegment[]> {
    const { noFlush = false, slot = "live" } = options;
    return translated(statusOf(this.#context, await this.#see(name), { noFlush, slot }));
  }

  async deps(name: string, slot: TableSlot = "live"): Promise<{ major: number; minor: number }[]> {
    return translated(depsOf(this.#context, await this.#see(name), slot));
  }

  async info(name: string): Promise<MappedDeviceInfo | undefined> {
    const seen = await translated(seeDevice(this.#context, name));
    return seen === undefined ? undefined : translated(infoOf(this.#context, seen));
  }

  list(): Promise<ListedDevice[]> {
    return translated(listDevices(this.#context));
  }

  async waitForEvent(name: string, afterEventNumber: number, signal?: AbortSignal): Promise<number> {
    for (;;) {
      signal?.throwIfAborted();
      const seen = await this.#see(name);
      const pool = seen.place?.kind === "pool" ? await this.#devices.pool(seen.place) : undefined;
      const eventNumber = (pool?.eventNumber ?? 0) + (seen.record?.events ?? 0);
      if (eventNumber !== afterEventNumber) return eventNumber;
      // Aborted, it ends early, and the next turn says so.
      await sleep(EVENT_POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  async makeNodes(name?: string): Promise<void> {
    const seen = name === undefined ? undefined : await this.#see(name);
    await translated(makeNodes(this.#context, seen));
  }

  #see(name: string): Promise<SeenDevice> {
    return translated(requireDevice(this.#context, name));
  }

  async #live(name: string): Promise<Place> {
    const { place } = await this.#see(name);
    if (place === undefined) throw unknownDevice(name);
    return place;
  }

  /** The pool that a message is for; undefined for a device without a table, of which the kernel takes any message and does nothing. */
  async #target(name: string, sector: number): Promise<Place | undefined> {
    const { place } = await this.#see(name);
    if (place === undefined) return undefined;
    const [segment] = place.kind === "pool" ? await this.table(name) : [];
    if (place.kind === "pool" && sector >= 0 && sector < segment.length) return place;
    const why = place.kind === "pool" ? `it has no sector ${sector}` : "its target takes none";
    throw new DeviceMapperError("EINVAL", `Cannot send a message to '${name}': ${why}`);
  }

  #change(name: string, work: (seen: SeenDevice) => Promise<void>): Promise<void> {
    return this.#changing([name], async () => work(await requireDevice(this.#context, name)));
  }

  #changing(names: string[], work: () => Promise<void>): Promise<void> {
    return translated(this.#context.locks.withDevices(names, work));
  }
}
