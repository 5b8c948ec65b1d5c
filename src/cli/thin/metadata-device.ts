import { statSync } from "node:fs";
import { resolve } from "node:path";
import { claimDevice } from "../../block-device/claim-device.ts";
import { isClaimedByEngine, kernelUserOf } from "../../block-device/device-users.ts";
import { unendedPoolOn } from "../../block-device/unended-pool.ts";
import { isBlockDevice } from "../../linux/block-device.ts";
import { loopBackingFile } from "../../linux/loop.ts";
import type { BlockFile } from "../../persistent-data/block-file.ts";
import { openBlockFile } from "../../persistent-data/block-file.ts";
import { openReadAheadFile } from "../../persistent-data/read-ahead-file.ts";

/** Whether the pool may be running meanwhile: a metadata snapshot does not change. */
export type Liveness = "stopped" | "live";

/** Opens metadata to be read. @throws Error when it is not there, or a pool that uses it runs and `liveness` does not allow for that */
export function openToRead(path: string, liveness: Liveness): BlockFile {
  requireDevice(path, "read");
  if (liveness === "stopped") {
    const user = isClaimedByEngine(path) ? "a pool runs on it" : kernelUserOf(path);
    if (user !== undefined) {
      throw new Error(
        `Cannot read ${path}: ${user}. Stop that first, or reserve a metadata snapshot and read it (--metadata-snap).`,
      );
    }
  }
  return openReadAheadFile(path);
}

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

/** @throws Error when two paths are the same file or device, or a loop device and its file */
export function requireOther(input: string, output: string): void {
  if (identityOf(input) !== identityOf(output)) return;
  throw new Error(`Cannot write to ${output}: it is what is read. The output must be another device or file.`);
}

function identityOf(path: string): string {
  const file = isBlockDevice(path) ? (loopBackingFile(path) ?? path) : path;
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return resolve(file);
  return stat.isBlockDevice() ? `device ${stat.rdev}` : `file ${stat.dev}:${stat.ino}`;
}

function requireDevice(path: string, doing: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new Error(
      `Cannot ${doing} ${path}: there is no such file or device. A file must be there, large enough, before it is written.`,
    );
  }
  if (!stat.isFile() && !isBlockDevice(path))
    throw new Error(`Cannot ${doing} ${path}: it is neither a file nor a block device`);
}
