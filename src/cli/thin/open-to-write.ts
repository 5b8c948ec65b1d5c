import { claimDevice } from "../../block-device/claim-device.ts";
import { unendedPoolOn } from "../../block-device/unended-pool.ts";
import type { BlockFile } from "../../persistent-data/block-file.ts";
import { openBlockFile } from "../../persistent-data/block-file.ts";
import { requireDevice } from "./require-device.ts";

/** Opens metadata to be written, and keeps others from it until this process ends. @throws Error when it is not there, or in use */
export function openToWrite(path: string): BlockFile {
  claimToWrite(path);
  return openBlockFile(path);
}

/** Keeps others from a device or file until this process ends. @throws Error when it is not there, or a pool, a mount or another program holds it */
export function claimToWrite(path: string): void {
  requireDevice(path, "write to");
  claimDevice(path, "write to");
  const pool = unendedPoolOn(path);
  if (pool === undefined) return;
  throw new Error(
    `Cannot write to ${path}: pool ${pool} was not ended, and its journal holds changes to it. Open the pool once more and end it (mica shutdown).`,
  );
}
