import { readFileSync } from "node:fs";
import type { ExportedFile } from "./exported-files.ts";
import { replaceFile } from "./replace-file.ts";

/** Volumes' states that must survive the engine and are no business of the pool's journal. Names. */
export interface VolumeFlags {
  suspended: string[];
  deferredRemove: string[];
}

export function readVolumeFlags(path: string): VolumeFlags {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as VolumeFlags;
  } catch {
    return { suspended: [], deferredRemove: [] };
  }
}

export function writeVolumeFlags(path: string, files: ExportedFile[]): void {
  const namesWith = (flag: "suspended" | "deferredRemove") =>
    files.filter((file) => file[flag]).map(({ name }) => name);
  const flags: VolumeFlags = { suspended: namesWith("suspended"), deferredRemove: namesWith("deferredRemove") };
  replaceFile(path, JSON.stringify(flags));
}
