import { readFileSync } from "node:fs";
import type { ExportedFile } from "./exported-files.ts";
import { replaceFile } from "./replace-file.ts";

/** What `suspend` and deferred removal did to the pool itself. */
export interface PoolFlags {
  suspended: boolean;
  deferredRemove: boolean;
}

/** States that must survive the engine and are no business of the pool's journal: names of volumes, and the pool's own. */
export interface VolumeFlags {
  suspended: string[];
  deferredRemove: string[];
  pool: PoolFlags;
}

export function readVolumeFlags(path: string): VolumeFlags {
  const none: VolumeFlags = { suspended: [], deferredRemove: [], pool: { suspended: false, deferredRemove: false } };
  try {
    return { ...none, ...(JSON.parse(readFileSync(path, "utf8")) as Partial<VolumeFlags>) };
  } catch {
    return none;
  }
}

export function writeVolumeFlags(path: string, files: ExportedFile[], pool: PoolFlags): void {
  const namesWith = (flag: "suspended" | "deferredRemove") =>
    files.filter((file) => file[flag]).map(({ name }) => name);
  const flags: VolumeFlags = { suspended: namesWith("suspended"), deferredRemove: namesWith("deferredRemove"), pool };
  replaceFile(path, JSON.stringify(flags));
}
