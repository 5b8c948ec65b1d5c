import { join } from "node:path";
import * as v from "valibot";
import { deviceMetadataSchema, type DeviceMetadata } from "../graph/files/device-metadata.ts";
import { baseId, reservedNames } from "../graph/devices/device-names.ts";
import { deviceSetMetadataSchema, type DeviceSetMetadata } from "../graph/files/device-set-metadata.ts";
import { transactionMetadataSchema, type TransactionMetadata } from "../graph/files/transaction-metadata.ts";
import { readStoredJson, storedNames, type Problems } from "./stored-file.ts";

/** What the graph's own files say of its thin devices. */
export interface DeviceFiles {
  /** By the graph's name of the device: "base", or 64 hexadecimal digits with perhaps "-init" behind them. */
  devices: Map<string, DeviceMetadata>;
  deviceSet: DeviceSetMetadata | undefined;
  transaction: TransactionMetadata | undefined;
  /** True: all of it is in the one file of the oldest Docker versions. */
  singleFile: boolean;
}

const singleFileSchema = v.object({ Devices: v.record(v.string(), v.unknown()) });

/** Reads `metadata/`, or `devicemapper/json` of the oldest versions, which is not migrated here: nothing is written. */
export function readDeviceFiles(graphRoot: string, problems: Problems): DeviceFiles {
  const folder = join(graphRoot, "metadata");
  const devices = new Map<string, DeviceMetadata>();
  const single = readSingleFile(join(graphRoot, "devicemapper", "json"), devices, problems);
  for (const name of storedNames(folder, "The graph", problems)) {
    if (name.startsWith(".") || name.endsWith(".migrated") || reservedNames.has(name)) continue;
    // A file of its own is newer than the single file: a migration that was cut short left both.
    const metadata = readStoredJson(join(folder, name), deviceMetadataSchema, `Device ${name}`, problems);
    if (metadata !== undefined) devices.set(name, metadata);
  }
  return {
    devices,
    deviceSet: readStoredJson(join(folder, "deviceset-metadata"), deviceSetMetadataSchema, "The graph", problems),
    transaction: readStoredJson(join(folder, "transaction-metadata"), transactionMetadataSchema, "The graph", problems),
    singleFile: single,
  };
}

function readSingleFile(path: string, devices: Map<string, DeviceMetadata>, problems: Problems): boolean {
  const file = readStoredJson(path, singleFileSchema, "The graph", problems);
  if (file === undefined) return false;
  for (const [hash, entry] of Object.entries(file.Devices)) {
    const name = hash === "" ? baseId : hash;
    const result = v.safeParse(deviceMetadataSchema, entry);
    if (result.success) devices.set(name, result.output);
    else problems.push(`Device ${name}: its entry in '${path}' is damaged: ${result.issues[0].message}`);
  }
  return true;
}
