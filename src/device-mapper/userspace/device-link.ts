import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { loopBackingFile } from "../../linux/loop.ts";
import { errorCode } from "../../linux/system-error.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";

/** The folder of device nodes: DM_DEV_DIR, as libdevmapper has it, else /dev. */
export function defaultDeviceDir(): string {
  return resolve(process.env["DM_DEV_DIR"] ?? "/dev");
}

/** Where a device's link is: `/dev/mapper/NAME`. */
export function linkPath(deviceDir: string, name: string): string {
  return join(deviceDir, "mapper", name);
}

/**
 * Makes a link that leads to a block device, or turns one of ours there.
 *
 * @throws DeviceMapperError EBUSY when something is there that is not ours
 */
export function makeLink(link: string, device: string, runDir: string): void {
  requireFreeLink(link, runDir);
  mkdirSync(join(link, ".."), { recursive: true });
  try {
    symlinkSync(device, link);
    return;
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
  requireFreeLink(link, runDir);
  if (readlinkSync(link) === device) return;
  const temporary = `${link}.${process.pid}~`;
  rmSync(temporary, { force: true });
  symlinkSync(device, temporary);
  renameSync(temporary, link);
}

/**
 * Whether there is nothing at a path, or a link that was made for a device in the run folder: one that leads to a loop device on a file there,
 * or to one that is on nothing.
 *
 * @throws DeviceMapperError EBUSY when something else is there
 */
export function requireFreeLink(link: string, runDir: string): void {
  const stat = lstatSync(link, { throwIfNoEntry: false });
  if (stat === undefined || (stat.isSymbolicLink() && isOurs(readlinkSync(link), runDir))) return;
  const message = `Cannot make the link ${link}: something else is there, of the kernel's device mapper or of another program`;
  throw new DeviceMapperError("EBUSY", `${message}. Remove that first, or use another name`);
}

function isOurs(target: string, runDir: string): boolean {
  if (!/^\/dev\/loop\d+$/.test(target)) return false;
  const file = loopBackingFile(target);
  return file === undefined || file.startsWith(`${runDir}/`);
}
