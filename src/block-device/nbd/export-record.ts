import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bootId } from "../../linux/boot-id.ts";
import { isAlive, type ProcessIdentity } from "../process-identity.ts";
import { replaceFile } from "../replace-file.ts";
import type { ExportStart } from "./export-start.ts";

/** A running export, as its keeper has written it down. */
export interface ExportRecord extends ExportStart {
  keeper: ProcessIdentity;
  bootId: string;
}

/** The folder of running exports, beside that of running pools, which holds nothing but pools. */
export function exportFolder(runDir: string): string {
  return `${runDir}-nbd`;
}

/** Where an export is written down. */
export function recordPath(folder: string, device: string): string {
  return join(folder, `${device}.json`);
}

export function recordExport(record: ExportRecord): void {
  mkdirSync(record.folder, { recursive: true, mode: 0o700 });
  replaceFile(recordPath(record.folder, record.device), JSON.stringify(record));
}

/** The running export of a device, or undefined. Costs one file that is not there, mostly. */
export function runningExport(folder: string, device: string): ExportRecord | undefined {
  let record;
  try {
    record = JSON.parse(readFileSync(recordPath(folder, device), "utf8")) as ExportRecord;
  } catch {
    return undefined;
  }
  return record.bootId === bootId() && isAlive(record.keeper) ? record : undefined;
}
