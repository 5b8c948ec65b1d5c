import { renameSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { deviceMetadataSchema } from "./device-metadata.ts";
import { baseId } from "../devices/device-names.ts";
import type { GraphContext } from "../graph-context.ts";
import { readJsonFile, syncFolder } from "./json-file.ts";

const schema = v.object({ Devices: v.record(v.string(), deviceMetadataSchema) });

/**
 * The oldest Docker versions kept all devices in one file, `devicemapper/json`, with the base device under "". Writes a file for each, then
 * renames the old one to `json.migrated`. A crash in between leaves the old file, and the next start does it again. Only for who holds the
 * graph's lock.
 */
export function migrateSingleFile(context: Pick<GraphContext, "root" | "store" | "log">): void {
  const folder = join(context.root, "devicemapper");
  const old = readJsonFile(join(folder, "json"), schema);
  if (old === undefined) return;
  const devices = Object.entries(old.Devices);
  for (const [hash, metadata] of devices) {
    const id = hash === "" ? baseId : hash;
    if (context.store.device(id) === undefined) context.store.writeDevice(id, metadata);
  }
  renameSync(join(folder, "json"), join(folder, "json.migrated"));
  syncFolder(folder);
  context.log("info", `moved ${devices.length} devices from '${join(folder, "json")}' to a file each`);
}
