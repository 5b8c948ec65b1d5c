import { join } from "node:path";
import * as v from "valibot";
import { GraphError } from "../graph-error.ts";
import { readJsonFile, writeJsonFile } from "../files/json-file.ts";
import { splitStorageOptions, storageOptionsFrom } from "./parse-storage-options.ts";
import type { StorageOptions } from "./storage-options.ts";

const schema = v.object({ "storage-opts": v.array(v.string()) });

/** What a pool lives on is settled when it is made. */
const settledKeys = ["thinpooldev", "datadev", "metadatadev", "directlvm_device", "blocksize"];
/** What a later start has changed for good. */
const growingSizes = {
  basesize: "baseSizeBytes",
  loopdatasize: "loopDataSizeBytes",
  loopmetadatasize: "loopMetadataSizeBytes",
} as const;

/** The options in force, and what is to be kept with the graph once it has started with them. */
export interface EffectiveOptions {
  options: StorageOptions;
  /** What is given now says something else than what is stored: a start has something to do, even if the pool runs. */
  changed: boolean;
  /** Undefined when the stored options stay as they are. */
  toStore: string[] | undefined;
}

/**
 * Puts together the options given now and those that the graph was made with (`$root/storage-options.json`): what is not
 * given now is as it was then. Sizes that were made larger are kept too; everything else given later counts for that start.
 *
 * @throws GraphError EINVAL for what cannot be used or changed
 */
export function effectiveOptions(root: string, givenNow: readonly string[]): EffectiveOptions {
  const now = splitStorageOptions(givenNow);
  const file = readJsonFile(join(root, "storage-options.json"), schema);
  if (file === undefined) return { options: storageOptionsFrom(now), changed: true, toStore: joinOptions(now) };
  const stored = splitStorageOptions(file["storage-opts"]);
  refuseChanges(root, stored, now);
  const options = storageOptionsFrom(new Map([...stored, ...now]));
  const kept = new Map(stored);
  const before = storageOptionsFrom(stored);
  for (const [key, field] of Object.entries(growingSizes)) {
    if (options[field] > before[field]) kept.set(key, now.get(key) ?? []);
  }
  const toStore = joinOptions(kept);
  const changed = [...now].some(([key, values]) => values.join("\n") !== stored.get(key)?.join("\n"));
  return { options, changed, toStore: toStore.join("\n") === joinOptions(stored).join("\n") ? undefined : toStore };
}

/** Keeps options with the graph. */
export function storeOptions(root: string, options: readonly string[]): void {
  writeJsonFile(join(root, "storage-options.json"), { "storage-opts": options });
}

/**
 * Keeps the sizes that the base device and the loopback files have grown to, or are about to, in bytes, where they are larger than the graph
 * knows; else the next start wonders, or refuses the smaller size that it remembers.
 */
export function storeGrownSizes(root: string, sizes: Partial<Record<keyof typeof growingSizes, number>>): void {
  const file = readJsonFile(join(root, "storage-options.json"), schema);
  if (file === undefined) return; // the start that is to write it has not come so far
  const stored = splitStorageOptions(file["storage-opts"]);
  const before = storageOptionsFrom(stored);
  const kept = new Map(stored);
  for (const [key, field] of Object.entries(growingSizes)) {
    const bytes = sizes[key as keyof typeof growingSizes];
    if (bytes !== undefined && bytes > before[field]) kept.set(key, [String(bytes)]);
  }
  if (joinOptions(kept).join("\n") !== joinOptions(stored).join("\n")) storeOptions(root, joinOptions(kept));
}

function refuseChanges(root: string, stored: ReadonlyMap<string, string[]>, now: ReadonlyMap<string, string[]>): void {
  const [before, after] = [storageOptionsFrom(stored), storageOptionsFrom(new Map([...stored, ...now]))];
  const settled = (options: StorageOptions): unknown[] => [
    options.thinPoolDevice,
    options.dataDevice,
    options.metadataDevice,
    options.directLvm?.device,
    options.blockSizeBytes,
  ];
  settledKeys.forEach((key, index) => {
    if (settled(before)[index] === settled(after)[index]) return;
    const was = stored.get(key)?.[0];
    throw new GraphError(
      "EINVAL",
      `Cannot change dm.${key} of '${root}' to ${now.get(key)?.[0] ?? "none"}: the graph was made ` +
        `${was === undefined ? "without that option" : `with ${was}`}, and it is settled then. Leave the option out, or use another --root`,
    );
  });
}

function joinOptions(given: ReadonlyMap<string, string[]>): string[] {
  return [...given].flatMap(([key, values]) => values.map((value) => `dm.${key}=${value}`));
}
