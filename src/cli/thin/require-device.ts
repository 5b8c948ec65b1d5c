import { statSync } from "node:fs";
import { resolve } from "node:path";
import { isBlockDevice } from "../../linux/block-device.ts";
import { loopBackingFile } from "../../linux/loop.ts";

/** @throws Error when a path is neither a file nor a block device that is there */
export function requireDevice(path: string, doing: "read" | "write to"): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    const advice = doing === "read" ? "" : ". A file must be there, large enough, before it is written.";
    throw new Error(`Cannot ${doing} ${path}: there is no such file or device${advice}`);
  }
  if (!stat.isFile() && !isBlockDevice(path))
    throw new Error(`Cannot ${doing} ${path}: it is neither a file nor a block device`);
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
