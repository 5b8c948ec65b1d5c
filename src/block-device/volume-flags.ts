import { readFileSync } from "node:fs";
import type { ExportedFile } from "./exported-files.ts";
import type { VolumeRecord } from "./pool-volumes.ts";
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
  /** Tables of which the journal does not tell all, by volume. */
  tables: Record<string, VolumeRecord>;
}

export function readVolumeFlags(path: string): VolumeFlags {
  const pool: PoolFlags = { suspended: false, deferredRemove: false };
  const none: VolumeFlags = { suspended: [], deferredRemove: [], pool, tables: {} };
  try {
    return { ...none, ...(JSON.parse(readFileSync(path, "utf8")) as Partial<VolumeFlags>) };
  } catch {
    return none;
  }
}

export function writeVolumeFlags(
  path: string,
  files: ExportedFile[],
  pool: PoolFlags,
  tables: Record<string, VolumeRecord>,
): void {
  const namesWith = (flag: "suspended" | "deferredRemove") =>
    files.filter((file) => file[flag]).map(({ name }) => name);
  const [suspended, deferredRemove] = [namesWith("suspended"), namesWith("deferredRemove")];
  replaceFile(path, JSON.stringify({ suspended, deferredRemove, pool, tables } satisfies VolumeFlags));
}
