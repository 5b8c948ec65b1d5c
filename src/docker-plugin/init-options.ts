import { splitStorageOptions, storageOptionsFrom } from "../graph/options/parse-storage-options.ts";
import type { StorageOptions } from "../graph/options/storage-options.ts";
import { RequestError } from "./protocol.ts";

/** They concern how a graph is made or opened, and this one is: another value changes nothing. */
const withoutEffect = new Set([
  "fs",
  "mkfsarg",
  "libdm_log_level",
  "override_udev_sync_check",
  "directlvm_device_force",
]);

type Value = string | number | boolean | undefined;

/** Where an option's value is found. */
const fields: Partial<Record<string, (options: StorageOptions) => Value>> = {
  thinpooldev: (options) => options.thinPoolDevice,
  basesize: (options) => options.baseSizeBytes,
  loopdatasize: (options) => options.loopDataSizeBytes,
  loopmetadatasize: (options) => options.loopMetadataSizeBytes,
  mountopt: (options) => options.mountOptions,
  datadev: (options) => options.dataDevice,
  metadatadev: (options) => options.metadataDevice,
  blocksize: (options) => options.blockSizeBytes,
  blkdiscard: (options) => options.blkDiscard,
  use_deferred_removal: (options) => options.useDeferredRemoval ?? true,
  use_deferred_deletion: (options) => options.useDeferredDeletion ?? true,
  min_free_space: (options) => options.minFreeSpacePercent,
  xfs_nospace_max_retries: (options) => options.xfsNospaceMaxRetries,
  directlvm_device: (options) => options.directLvm?.device,
  thinp_percent: (options) => options.directLvm?.dataPercent,
  thinp_metapercent: (options) => options.directLvm?.metadataPercent,
  thinp_autoextend_threshold: (options) => options.directLvm?.autoextendThreshold,
  thinp_autoextend_percent: (options) => options.directLvm?.autoextendPercent,
};

/**
 * Holds dockerd's `--storage-opt` against the options that the graph is open with: the same ones are fine, as they may stay where they
 * were, but a graph that others use at the same time is not opened anew for another value.
 *
 * @returns options that are given and do nothing here
 * @throws GraphError EINVAL for what is no option, by name, or has no such value; RequestError for another value than the graph's
 */
export function checkInitOptions(given: readonly string[], graph: StorageOptions): string[] {
  const split = splitStorageOptions(given);
  const asked = storageOptionsFrom(split);
  const ignored: string[] = [];
  for (const [key, values] of split) {
    if (withoutEffect.has(key)) {
      ignored.push(`dm.${key}`);
      continue;
    }
    if (fields[key]?.(asked) === fields[key]?.(graph)) continue;
    throw new RequestError(
      400,
      `Cannot use dm.${key}=${values.join(" ")}: the graph is open with ${graphsValue(graph, key)}. ` +
        "Give Mica's options to the daemon that serves the graph (`mica --storage-opt … daemon`, or its configuration), and leave them out of dockerd's",
    );
  }
  return ignored;
}

function graphsValue(graph: StorageOptions, key: string): string {
  const values = graph.given.get(key);
  if (values !== undefined) return values.join(" ");
  const value = fields[key]?.(graph);
  return value === undefined || value === "" ? "none" : `its default, ${String(value)}`;
}
