import type { Logger } from "pino";
import { KeyedQueue } from "../graph/locks/keyed-queue.ts";
import type { FileLock } from "../linux/flock.ts";
import { realTimeNs } from "../linux/real-time.ts";
import { reconcile } from "./reconcile.ts";
import { RemovedDevices } from "./removed-devices.ts";
import { baseOrigin, newDeviceName, type SnapshotterDevices } from "./snapshot-devices.ts";
import { SnapshotFiles } from "./snapshot-files.ts";
import { SnapshotIndex } from "./snapshot-index.ts";
import { snapshotMounts, type SnapshotMount } from "./snapshot-mounts.ts";
import type { SnapshotKind, SnapshotRecord } from "./snapshot-record.ts";
import { SnapshotterError } from "./snapshotter-error.ts";
import type { SnapshotterSettings } from "./snapshotter-options.ts";
import { changedLabels } from "./update-labels.ts";

type Labels = Readonly<Record<string, string>>;

/**
 * containerd's snapshots (its package snapshots says what each call does), each on a device of its own: an active one is a copy-on-write
 * snapshot of its parent's device, and committing it only gives it a name. Requests for one key run one after another, others side by side.
 */
export class Snapshotter {
  readonly #devices: SnapshotterDevices;
  readonly #settings: SnapshotterSettings;
  readonly #log: Logger;
  readonly #files: SnapshotFiles;
  readonly #index = new SnapshotIndex();
  readonly #removed: RemovedDevices;
  readonly #queue = new KeyedQueue<string>();
  readonly #lock: FileLock;

  private constructor(
    devices: SnapshotterDevices,
    settings: SnapshotterSettings,
    log: Logger,
    files: SnapshotFiles,
    lock: FileLock,
  ) {
    this.#devices = devices;
    this.#settings = settings;
    this.#log = log;
    this.#files = files;
    this.#removed = new RemovedDevices(devices, settings, log);
    this.#lock = lock;
  }

  /**
   * Reads what there is, and puts right what a crash left.
   *
   * @throws SnapshotterError while another process serves the same graph's snapshots
   */
  static async open(devices: SnapshotterDevices, settings: SnapshotterSettings, log: Logger): Promise<Snapshotter> {
    const files = new SnapshotFiles(devices.root);
    const lock = files.open();
    try {
      const snapshotter = new Snapshotter(devices, settings, log, files, lock);
      await snapshotter.#start();
      return snapshotter;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Makes a snapshot that begins as a committed one, or empty (""), to be written (active) or read (view). @returns how to mount it */
  create(kind: "active" | "view", key: string, parent: string, labels: Labels): Promise<SnapshotMount[]> {
    return this.#queue.run(key, async () => {
      const origin = parent === "" ? baseOrigin(this.#settings) : this.#requireParent(key, parent);
      if (this.#index.has(key)) throw refusal("already-exists", "make", key, "there is one of that name");
      return this.#index.withChild(parent, async () => {
        const now = realTimeNs();
        const device = newDeviceName();
        const begun = { origin: origin.device, fileSystem: origin.fileSystem };
        const record = { key, kind, parent, device, ...begun, labels, createdNs: now, updatedNs: now };
        try {
          await this.#make(record);
          const mounts = snapshotMounts(record, await this.#devices.activate(device));
          this.#index.add(record);
          return mounts;
        } catch (error) {
          await this.#forget(record);
          await this.#removed.removeNow(device);
          throw error;
        }
      });
    });
  }

  /** How to mount a snapshot that was not committed; its device is active from then on. */
  mounts(key: string): Promise<SnapshotMount[]> {
    return this.#queue.run(key, async () => {
      const record = this.#require("mount", key);
      if (record.kind === "committed") throw refusal("failed-precondition", "mount", key, "it is committed");
      return snapshotMounts(record, await this.#devices.activate(record.device));
    });
  }

  /** An active snapshot becomes a committed one, of another name. */
  commit(name: string, key: string, labels: Labels): Promise<void> {
    return this.#queue.run(key, async () => {
      if (this.#index.has(name)) throw refusal("already-exists", "commit", key, `there is a snapshot '${name}'`);
      const active = this.#require("commit", key);
      if (active.kind !== "active") throw refusal("failed-precondition", "commit", key, `it is ${aKind(active.kind)}`);
      await this.#index.withPromise(name, async () => {
        await this.#devices.settle(active.device);
        const now = realTimeNs();
        const usageBytes = await this.#devices.addedBytes(active.device, active.origin);
        const committed = {
          ...active,
          key: name,
          kind: "committed",
          labels,
          createdNs: now,
          updatedNs: now,
          usageBytes,
        } as const;
        // Neither needs the other: a device is activated when it is asked for.
        const letGo = this.#letGo(active.device);
        await this.#files.write(committed).finally(() => letGo);
        this.#index.remove(active);
        this.#index.add(committed);
      });
    });
  }

  /** Removes a snapshot that no other descends from. Its device goes at once, when it is no longer in use, or with `cleanUp`. */
  remove(key: string): Promise<void> {
    return this.#queue.run(key, async () => {
      const record = this.#require("remove", key);
      if (this.#index.hasChildren(key)) {
        throw refusal("failed-precondition", "remove", key, "others descend from it. Remove these first");
      }
      this.#index.remove(record);
      try {
        await this.#files.remove(record);
      } catch (error) {
        this.#index.add(record);
        throw error;
      }
      if (this.#settings.asyncRemove) this.#removed.add(record.device);
      else await this.#removed.removeNow(record.device);
    });
  }

  stat(key: string): SnapshotRecord {
    return this.#require("find", key);
  }

  /**
   * Changes what may be changed: labels.
   *
   * @param paths what to change: "labels", or "labels.KEY"; none: all that may be changed
   */
  update(key: string, labels: Labels, paths: readonly string[]): Promise<SnapshotRecord> {
    return this.#queue.run(key, async () => {
      const record = this.#require("update", key);
      const updated = { ...record, labels: changedLabels(record, labels, paths), updatedNs: realTimeNs() };
      await this.#files.write(updated);
      this.#index.replace(updated);
      return updated;
    });
  }

  /** All snapshots, in no order; those that come or go meanwhile may be among them or not. */
  list(): IterableIterator<SnapshotRecord> {
    return this.#index.records();
  }

  /** What a snapshot holds beyond its parent, in bytes. */
  async usage(key: string): Promise<number> {
    const record = this.#require("measure", key);
    return record.usageBytes ?? (await this.#devices.addedBytes(record.device, record.origin));
  }

  /** Gives back the space of removed snapshots. */
  async cleanUp(): Promise<void> {
    await this.#removed.cleanUp();
  }

  /** Another process may serve the snapshots then. What is active stays so. */
  async close(): Promise<void> {
    await this.#removed.settled();
    this.#lock.release();
  }

  async #start(): Promise<void> {
    await this.#files.removeTemporaryFiles();
    const base = baseOrigin(this.#settings).device;
    const { sound, stale, leftovers } = await reconcile(this.#devices, this.#files.read(), base, this.#log);
    for (const record of stale) await this.#files.remove(record);
    for (const record of sound) this.#index.add(record);
    for (const device of leftovers) this.#removed.add(device);
    // Nothing waits for it: their names are nobody's.
    this.cleanUp().catch((error: unknown) => this.#log.warn({ err: error }, "what a crash left is not yet gone"));
  }

  /** The record and the device, at once: both are durable when it resolves, and either without the other is put right at the next start. */
  async #make(record: SnapshotRecord): Promise<void> {
    if (record.parent === "") await this.#devices.ensureFormatted(record.origin, this.#settings.base);
    const results = await Promise.allSettled([
      this.#files.write(record),
      this.#devices.create(record.device, record.origin),
    ]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** A committed device is used no longer; where it still is, it goes at its last close. */
  async #letGo(device: string): Promise<void> {
    try {
      await this.#devices.deactivate(device, { whenBusy: "defer" });
    } catch (error) {
      this.#log.warn({ err: error, device }, "the device of a committed snapshot stays active");
    }
  }

  async #forget(record: SnapshotRecord): Promise<void> {
    try {
      await this.#files.remove(record);
    } catch (error) {
      this.#log.warn(
        { err: error, snapshot: record.key },
        "the record of a snapshot that could not be made is still there",
      );
    }
  }

  #requireParent(key: string, parent: string): SnapshotRecord {
    const record = this.#index.get(parent);
    if (record === undefined) throw refusal("not-found", "make", key, `there is no snapshot '${parent}' to begin as`);
    if (record.kind === "committed") return record;
    throw refusal(
      "invalid-argument",
      "make",
      key,
      `its parent '${parent}' is ${aKind(record.kind)}, and not committed`,
    );
  }

  #require(verb: string, key: string): SnapshotRecord {
    const record = this.#index.get(key);
    if (record !== undefined) return record;
    throw refusal("not-found", verb, key, "there is none of that name");
  }
}

function aKind(kind: SnapshotKind): string {
  return { view: "a view", active: "active", committed: "committed" }[kind];
}

function refusal(code: SnapshotterError["code"], verb: string, key: string, why: string): SnapshotterError {
  return new SnapshotterError(code, `Cannot ${verb} snapshot '${key}': ${why}`);
}
