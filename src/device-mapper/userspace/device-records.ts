import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootId } from "../../linux/boot-id.ts";
import { errorCode } from "../../linux/system-error.ts";
import type { TableSegment } from "../mapped-devices.ts";
import type { Place } from "./place.ts";

/** A table in the inactive slot. Devices in it are absolute paths, pools are the folders of their processes. */
export interface LoadedTable {
  segments: TableSegment[];
  readOnly: boolean;
}

/** What is known of a device that was made step by step, beyond what serves it. */
export interface DeviceRecord {
  /** "" where it has none. */
  uuid: string;
  /** Where it is served, or was to be when its maker died; undefined before its first table comes into force. */
  place?: Place | undefined;
  inactive?: LoadedTable | undefined;
  /** Of the table in force. */
  readOnly: boolean;
  /** Of a device without a table in force. */
  suspended: boolean;
  /** How often its name or uuid changed while a table was in force: those are events of the device, beside its target's. */
  events: number;
  /** The number that was asked for. */
  minor?: number | undefined;
}

const none = { uuid: "", readOnly: false, suspended: false, events: 0 };

/**
 * The records, a file each in the run folder. They end with the boot. A device that was made in one go, as the graph's are, has none. Whoever
 * changes one holds the device's lock (`DeviceLocks`).
 */
export class DeviceRecords {
  readonly #folder: string;
  readonly #uuids: string;

  constructor(runDir: string) {
    this.#folder = join(runDir, ".devices");
    this.#uuids = join(this.#folder, ".uuids");
  }

  /** A record of this boot, or undefined. */
  read(name: string): DeviceRecord | undefined {
    const path = this.#path(name);
    // Most devices have none: asking costs much less than an exception.
    if (!existsSync(path)) return undefined;
    let text;
    try {
      text = readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
    const { boot, ...record } = JSON.parse(text) as DeviceRecord & { boot: string };
    return boot === bootId() ? record : undefined;
  }

  /** Names of all devices that have one. */
  names(): string[] {
    try {
      return readdirSync(this.#folder).filter((file) => !file.startsWith("."));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw error;
    }
  }

  /** Writes a record, new or not. */
  write(name: string, record: Partial<DeviceRecord>): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const temporary = join(this.#folder, `.${name}.new`);
    writeFileSync(temporary, JSON.stringify({ boot: bootId(), ...none, ...record }), { mode: 0o600 });
    renameSync(temporary, this.#path(name));
  }

  rename(name: string, newName: string): void {
    renameSync(this.#path(name), this.#path(newName));
  }

  remove(name: string): void {
    const uuid = this.read(name)?.uuid ?? "";
    rmSync(this.#path(name), { force: true });
    if (uuid !== "" && this.nameOf(uuid) === undefined) rmSync(this.#uuidPath(uuid), { force: true });
  }

  /** The device that has a uuid. Where the index is behind, as after a crash, all records are looked at. */
  nameOf(uuid: string): string | undefined {
    let indexed;
    try {
      indexed = readFileSync(this.#uuidPath(uuid), "utf8");
    } catch {
      return undefined;
    }
    if (this.read(indexed)?.uuid === uuid) return indexed;
    return this.names().find((name) => this.read(name)?.uuid === uuid);
  }

  /** Notes in the index who has a uuid: before the record tells, or after its name changed. */
  index(uuid: string, name: string): void {
    mkdirSync(this.#uuids, { recursive: true, mode: 0o700 });
    writeFileSync(this.#uuidPath(uuid), name, { mode: 0o600 });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  /** A uuid may hold what a file's name may not. */
  #uuidPath(uuid: string): string {
    return join(this.#uuids, createHash("sha256").update(uuid).digest("hex"));
  }
}
