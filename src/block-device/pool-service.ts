import { join } from "node:path";
import { errno, errnoName } from "../linux/system-error.ts";
import { check } from "../metadata-tools/check.ts";
import { sharers } from "../metadata-tools/owners.ts";
import { addedBlocks } from "../metadata-tools/added-blocks.ts";
import { changedBlocks } from "../metadata-tools/changed-blocks.ts";
import { usage } from "../metadata-tools/usage.ts";
import type { DeviceDetails } from "../thin/device-record.ts";
import { formatPoolTable, parsePoolTable } from "../thin/pool-table.ts";
import type { Pool } from "../thin/pool.ts";
import { type BatchAnswer, ControlError, type ControlAnswer, describe } from "./control-message.ts";
import { forgetNote } from "./device-note.ts";
import type { EngineService, ServiceHooks } from "./engine-device.ts";
import type { ExportedFile, ExportedFiles } from "./exported-files.ts";
import { carryOutBatch } from "./message-batch.ts";
import { PoolData } from "./pool-data.ts";
import type { PoolPaths } from "./pool-paths.ts";
import { PoolVolumes } from "./pool-volumes.ts";
import { replaceFile } from "./replace-file.ts";
import { type PoolFlags, readVolumeFlags, writeVolumeFlags } from "./volume-flags.ts";
import { formatVolumeTable } from "./volume-table.ts";

/** What `info` and `list` answer of a volume. */
export interface VolumeInfo {
  name: string;
  /** Of the thin device behind it; undefined where none is. */
  deviceId?: number | undefined;
  sizeSectors: number;
  externalOrigin?: string | undefined;
  suspended: boolean;
  deferredRemove: boolean;
  /** A line a segment. */
  table: string;
}

/** What `pool_info` answers of the pool itself. */
export interface PoolInfo extends PoolFlags {
  eventNumber: number;
}

type Handler = (words: string[], id: string, delivery: "first" | "again", text: string) => string;

/** Executes control messages on a pool: the kernel's own, and those that make volumes files of the mount. */
export class PoolService implements EngineService {
  readonly #pool: Pool;
  readonly #paths: PoolPaths;
  readonly #files: ExportedFiles;
  readonly #hooks: ServiceHooks;
  readonly #poolFile: ExportedFile;
  readonly #handlers: Record<string, Handler | undefined>;
  readonly #volumes: PoolVolumes;
  #flags: PoolFlags = { suspended: false, deferredRemove: false };
  /** What the pool's events are counted from. */
  #firstEvent = 0;

  constructor(pool: Pool, paths: PoolPaths, files: ExportedFiles, hooks: ServiceHooks) {
    this.#pool = pool;
    this.#paths = paths;
    this.#files = files;
    this.#hooks = hooks;
    this.#poolFile = files.addPool(new PoolData(pool), pool.table.sectors * 512);
    this.#volumes = new PoolVolumes(pool, files, () => this.#writeFlags());
    this.#handlers = {
      exists: ([device]) => this.#exists(naturalNumber(device)),
      activate: (words, id) => this.#activate(words, id),
      activate_table: ([name], id, _delivery, text) => this.#activateTable(name, text, id),
      set_table: ([name], _id, _delivery, text) => this.#setTable(name, text),
      deactivate: ([name], id, delivery) => this.#deactivate(name, id, delivery),
      resize: ([name, sectors], id) => this.#resize(name, naturalNumber(sectors), id),
      suspend: ([name, how]) => this.#suspend(name, how),
      resume: ([name]) => this.#resume(name),
      defer: ([name, way]) => this.#defer(name, way),
      reload: (words, id) => this.#reload(words.join(" "), id),
      status: () => this.#pool.status(),
      thin_status: ([name]) => this.#pool.volumeStatus(this.#volumes.deviceIdOf(this.#file(name))),
      info: ([name]) => JSON.stringify(this.#info(this.#file(name))),
      list: () => JSON.stringify(this.#files.all().map((file) => this.#info(file))),
      pool_info: () => this.#poolInfo(),
      devices: () => JSON.stringify([...this.#pool.metadata.details()].map(details)),
      usage: () => this.#usage(),
      added: ([device, origin]) => this.#added(naturalNumber(device), naturalNumber(origin)),
      changed: ([device, origin, begin]) => this.#changed(naturalNumber(device), origin, naturalNumber(begin)),
      locate: ([device, block]) => this.#locate(naturalNumber(device), naturalNumber(block)),
      check: () => this.#check(),
      flush: () => this.#commit("flush"),
      batch: (_words, id, _delivery, text) => this.#batch(text, id),
      later: (words, id) => this.#pool.message(words.join(" "), { requestId: id, commit: "later" }),
      shutdown: () => this.#shutdown(),
    };
  }

  /** Makes files of the volumes that were active when an earlier engine ended. */
  exportActive(): void {
    const flags = readVolumeFlags(this.#paths.flags);
    this.#flags = flags.pool;
    this.#poolFile.held = flags.pool.suspended;
    // An engine that comes after another counts from elsewhere, so that whoever waits for an event looks again.
    this.#firstEvent = Math.floor(Date.now() / 1000);
    this.#volumes.exportActive(flags, this.#paths.name);
    for (const file of this.#files.all()) {
      file.opens = 1; // its loop device: open files are known to the kernel alone, and not told again
      file.suspended = flags.suspended.includes(file.name);
      file.held = file.suspended || flags.pool.suspended;
      file.deferredRemove = flags.deferredRemove.includes(file.name);
    }
  }

  /** Ends what a crash left active: for a pool that starts afresh. */
  forgetActive(): void {
    for (const { id } of this.#pool.active()) this.#pool.deactivate(id);
  }

  /** The control file's handler. */
  execute(id: string, text: string, delivery: "first" | "again"): string {
    return JSON.stringify(this.#answer(id, text, delivery));
  }

  /** A file that was to go at its last close was closed. */
  lastClose(file: ExportedFile): void {
    this.#drop(file, undefined);
    forgetNote(join(this.#paths.devices, file.name));
  }

  #answer(id: string, text: string, delivery: "first" | "again"): ControlAnswer {
    try {
      const remembered = this.#pool.answerOf(id);
      if (remembered !== undefined) return { ok: true, answer: remembered };
      const [verb, ...words] = text.trim().split(/\s+/);
      const handler = Object.hasOwn(this.#handlers, verb) ? this.#handlers[verb] : undefined;
      const answer =
        handler === undefined ? this.#pool.message(text, { requestId: id }) : handler(words, id, delivery, text);
      return { ok: true, answer };
    } catch (error) {
      return { error: describe(error) };
    }
  }

  #file(name: string | undefined): ExportedFile {
    const file = this.#files.get(name ?? "");
    if (file === undefined)
      throw new ControlError("ENXIO", `Cannot find thin device '${name ?? ""}': it is not active`);
    return file;
  }

  #activate([name, device, sectors, externalOrigin]: (string | undefined)[], id: string): string {
    const wanted = this.#newName(name);
    const parameters = { pool: this.#paths.name, deviceId: naturalNumber(device), externalOrigin };
    this.#volumes.activate(wanted, naturalNumber(sectors), parameters, id);
    return "";
  }

  #newName(name: string | undefined): string {
    if (name === undefined) throw new ControlError("EINVAL", "Cannot activate a device without a name");
    if (this.#files.get(name) !== undefined)
      throw new ControlError("EEXIST", `Cannot activate '${name}': it is active`);
    if (this.#flags.suspended) throw new ControlError("EINVAL", `Cannot activate '${name}': its pool is suspended`);
    return name;
  }

  /** The table is in the lines behind the first. */
  #activateTable(name: string, text: string, id: string): string {
    this.#volumes.activateTable(this.#newName(name), linesBehind(text), id);
    return "";
  }

  #setTable(name: string, text: string): string {
    this.#volumes.setTable(this.#file(name), linesBehind(text));
    this.#hooks.retryHeld();
    return "";
  }

  #deactivate(name: string, id: string, delivery: "first" | "again"): string {
    // Executed before, and too many messages ago to remember: it is gone, as was asked.
    if (delivery === "again" && this.#files.get(name) === undefined) return "";
    this.#drop(this.#file(name), id);
    return "";
  }

  #drop(file: ExportedFile, requestId: string | undefined): void {
    const kept = this.#volumes.drop(file, requestId);
    if (file.suspended || file.deferredRemove || kept === "recorded") this.#writeFlags();
    this.#hooks.retryHeld(); // what was held for it gets its error
    if (this.#flags.deferredRemove && this.#files.all().length === 0) this.#shutdown();
  }

  #resize(name: string, sectors: number, requestId: string): string {
    this.#volumes.resize(this.#file(name), sectors, requestId);
    return "";
  }

  #suspend(name: string, how: string | undefined): string {
    const flags = this.#flagsOf(name);
    if (how !== "noflush") this.#commit("suspend");
    flags.suspended = true;
    this.#applySuspension();
    return "";
  }

  #resume(name: string): string {
    this.#flagsOf(name).suspended = false;
    this.#applySuspension();
    this.#hooks.retryHeld();
    return "";
  }

  /** A volume's, or with the pool's name the pool's own. */
  #flagsOf(name: string): PoolFlags {
    return name === this.#paths.name ? this.#flags : this.#file(name);
  }

  #applySuspension(): void {
    for (const file of this.#files.all()) file.held = file.suspended || this.#flags.suspended;
    this.#poolFile.held = this.#flags.suspended;
    this.#writeFlags();
  }

  /** "gone" when that is all the pool waited for. */
  #defer(name: string, way: string): string {
    const flags = this.#flagsOf(name);
    flags.deferredRemove = way === "on";
    this.#writeFlags();
    if (!this.#flags.deferredRemove || this.#files.all().length > 0) return "";
    this.#shutdown();
    return "gone";
  }

  #writeFlags(): void {
    writeVolumeFlags(this.#paths.flags, this.#files.all(), this.#flags, this.#volumes.records());
  }

  #poolInfo(): string {
    const info: PoolInfo = { ...this.#flags, eventNumber: this.#firstEvent + this.#pool.events };
    return JSON.stringify(info);
  }

  #reload(line: string, requestId: string): string {
    this.#pool.reload(parsePoolTable(line), { requestId });
    this.#poolFile.sizeBytes = this.#pool.table.sectors * 512;
    replaceFile(this.#paths.table, formatPoolTable(this.#pool.table));
    this.#hooks.retryHeld();
    return "";
  }

  #info(file: ExportedFile): VolumeInfo {
    const { name, sizeBytes, suspended, deferredRemove } = file;
    const table = this.#volumes.tableOf(file);
    const { deviceId, externalOrigin } = table.thin ?? {};
    const sizeSectors = sizeBytes / 512;
    const lines = formatVolumeTable(table);
    return { name, deviceId, sizeSectors, externalOrigin, suspended, deferredRemove, table: lines };
  }

  /** "active" of a thin device that is. */
  #exists(id: number): string {
    if (this.#pool.volume(id) !== undefined) return "active";
    if (this.#pool.metadata.has(id)) return "";
    throw new ControlError("ENODATA", `Cannot find thin device ${id}: the pool has none of that id`);
  }

  #usage(): string {
    const { metadata } = this.#pool;
    return JSON.stringify({ blockSizeSectors: metadata.dataBlockSize, devices: usage(metadata) });
  }

  #added(id: number, originId: number): string {
    return String(addedBlocks(this.#pool.metadata, id, originId));
  }

  #changed(id: number, origin: string | undefined, begin: number): string {
    const originId = origin === "-" ? undefined : naturalNumber(origin);
    return JSON.stringify(changedBlocks(this.#pool.metadata, id, originId, begin));
  }

  #locate(id: number, block: number): string {
    const { metadata } = this.#pool;
    const active = this.#pool.volume(id) !== undefined;
    const mapping = metadata.openDevice(id);
    try {
      const dataBlock = mapping.lookup(block);
      if (dataBlock < 0) return JSON.stringify({ owners: [] });
      return JSON.stringify({ dataBlock, time: mapping.time, owners: sharers(metadata, id, block) });
    } finally {
      if (!active) metadata.closeDevice(id);
    }
  }

  #check(): string {
    this.#commit("check");
    return JSON.stringify(check(this.#pool.table.metadataDevice));
  }

  #commit(what: string): string {
    const result = this.#pool.commit();
    if (result !== 0) {
      // Waiting for space on the host is no success either: nobody may think that everything is on the disk.
      const code = errnoName(result < 0 ? -result : errno.ENOSPC);
      throw new ControlError(code, `Cannot ${what}: the pool could not write its metadata (${code}); see its status`);
    }
    return "";
  }

  /** Each line after the first is a message of the pool's. */
  #batch(text: string, id: string): string {
    const { done, error } = carryOutBatch(this.#pool, linesBehind(text).split("\n"), id);
    const answer: BatchAnswer = error === undefined ? { done } : { done, error: describe(error) };
    return JSON.stringify(answer);
  }

  #shutdown(): string {
    const active = this.#files.all();
    if (active.length > 0) {
      const names = active.slice(0, 3).map(({ name }) => name);
      const more = active.length > 3 ? ` and ${active.length - 3} more` : "";
      throw new ControlError("EBUSY", `Cannot remove the pool: ${names.join(", ")}${more} still active`);
    }
    const result = this.#pool.close();
    this.#hooks.stop();
    if (result < 0) {
      const code = errnoName(-result);
      throw new ControlError(
        code,
        `The pool was stopped, but its last changes could not be written (${code}): run thin_check`,
      );
    }
    return "";
  }
}

function details({ id, mappedBlocks, transactionId, creationTime, snapshottedTime }: DeviceDetails): DeviceDetails {
  return { id, mappedBlocks, transactionId, creationTime, snapshottedTime };
}

/** What follows a message's first line. */
function linesBehind(text: string): string {
  const end = text.indexOf("\n");
  return end < 0 ? "" : text.slice(end + 1);
}

function naturalNumber(text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new ControlError("EINVAL", `Cannot use '${text ?? ""}' as a number`);
  }
  return value;
}
