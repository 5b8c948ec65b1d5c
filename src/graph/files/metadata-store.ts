import { mkdirSync, readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { GenericSchema } from "valibot";
import { errorCode } from "../../linux/system-error.ts";
import { deviceMetadataSchema, deviceMetadataToJson, type DeviceMetadata } from "./device-metadata.ts";
import { isDeviceFileName } from "../devices/device-names.ts";
import { deviceSetMetadataSchema, deviceSetMetadataToJson, type DeviceSetMetadata } from "./device-set-metadata.ts";
import { readJsonFile, removeTemporaryFiles, syncFolder, writeJsonFile, type Durability } from "./json-file.ts";
import {
  transactionMetadataSchema,
  transactionMetadataToJson,
  type TransactionMetadata,
} from "./transaction-metadata.ts";

/** A file's contents with what tells whether the file is still the same one: each write makes a new inode. */
interface Cached<T> {
  value: T;
  stamp: string;
}

/** All devices that `metadata/` tells of. */
export interface StoredDevices {
  devices: Map<string, DeviceMetadata>;
  /** Why files could not be read, by device. */
  damaged: Map<string, Error>;
}

/**
 * The graph's JSON files in `metadata/`. Several processes write them: what is kept in memory is checked against the
 * file by one stat, so that an operation costs the same with any number of devices.
 */
export class MetadataStore {
  readonly folder: string;
  readonly #cache = new Map<string, Cached<unknown>>();

  /** @param root the graph's folder */
  constructor(root: string) {
    this.folder = join(root, "metadata");
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  /** undefined when there is no such device, whatever was asked for. Throws EDAMAGED. */
  device(id: string): DeviceMetadata | undefined {
    if (!isDeviceFileName(id)) return undefined;
    return this.#read(id, deviceMetadataSchema);
  }

  /** Durable when it returns. */
  writeDevice(id: string, metadata: DeviceMetadata): void {
    this.#write(id, metadata, deviceMetadataToJson(metadata), "durable");
  }

  /**
   * No error if it is gone already.
   *
   * @param durability where the pool is the graph's alone, it need not be durable: a file that a power cut brings back is one without a
   *   device in the pool, and goes when the pool is started. A pool of others may run before anyone compares
   */
  removeDevice(id: string, durability: Durability): void {
    this.#cache.delete(id);
    try {
      unlinkSync(join(this.folder, id));
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
    if (durability === "durable") syncFolder(this.folder);
  }

  /** Reads all devices; one that cannot be read does not hide the others. */
  devices(): StoredDevices {
    const found: StoredDevices = { devices: new Map(), damaged: new Map() };
    for (const name of readdirSync(this.folder).sort()) {
      if (!isDeviceFileName(name)) continue;
      try {
        const metadata = this.device(name);
        if (metadata !== undefined) found.devices.set(name, metadata);
      } catch (error) {
        found.damaged.set(name, error as Error);
      }
    }
    return found;
  }

  deviceSet(): DeviceSetMetadata | undefined {
    return this.#read("deviceset-metadata", deviceSetMetadataSchema);
  }

  writeDeviceSet(metadata: DeviceSetMetadata): void {
    this.#write("deviceset-metadata", metadata, deviceSetMetadataToJson(metadata), "durable");
  }

  transaction(): TransactionMetadata | undefined {
    return this.#read("transaction-metadata", transactionMetadataSchema);
  }

  /**
   * @param durability where the pool is the graph's alone, it need not be durable: it is there for a process that dies, and
   *   after a power cut the pool is compared with the files anyway
   */
  writeTransaction(open: TransactionMetadata, durability: Durability): void {
    this.#write("transaction-metadata", open, transactionMetadataToJson(open), durability);
  }

  /** Removes what writers that died left. Only for who holds the graph's lock. */
  removeTemporaryFiles(): void {
    removeTemporaryFiles(this.folder);
  }

  #read<T>(name: string, schema: GenericSchema<unknown, T>): T | undefined {
    const path = join(this.folder, name);
    const stamp = stampOf(path);
    if (stamp === undefined) {
      this.#cache.delete(name);
      return undefined;
    }
    const cached = this.#cache.get(name);
    if (cached?.stamp === stamp) return cached.value as T;
    const value = readJsonFile(path, schema);
    if (value !== undefined) this.#cache.set(name, { value, stamp });
    return value;
  }

  #write(name: string, value: object, json: unknown, durability: Durability): void {
    this.#cache.delete(name);
    const path = join(this.folder, name);
    writeJsonFile(path, json, durability);
    const stamp = stampOf(path);
    if (stamp !== undefined) this.#cache.set(name, { value, stamp });
  }
}

function stampOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.ino}:${stat.ctimeMs}:${stat.size}`;
}
