import { closeSync, constants, openSync } from "node:fs";
import { isBlockDevice } from "../linux/block-device.ts";
import { holderNames } from "../linux/device-holders.ts";
import { deviceNumber } from "../linux/device-path.ts";
import { isLocked } from "../linux/flock.ts";
import { loopBackingFile } from "../linux/loop.ts";
import { loopsOnFile } from "../linux/loops-on-file.ts";
import { errorCode } from "../linux/system-error.ts";

/**
 * Who in the kernel uses a block device, or a file through a loop device: "docker-253:1-77-pool stands on /dev/loop3". undefined where
 * nobody does.
 */
export function kernelUserOf(path: string): string | undefined {
  if (isBlockDevice(path)) return userOfDevice(path);
  for (const loop of loopsOnFile(path)) {
    const user = userOfDevice(loop);
    if (user !== undefined) return user;
  }
  return undefined;
}

/** Whether an engine of a pool in user space has claimed a file or block device, or the file under a loop device. */
export function isClaimedByEngine(path: string): boolean {
  const file = isBlockDevice(path) ? loopBackingFile(path) : undefined;
  return [path, file].some((claimed) => claimed !== undefined && lockedIfThere(claimed));
}

function userOfDevice(device: string): string | undefined {
  const holders = holderNames(deviceNumber(device));
  if (holders.length > 0) return `${holders.join(" and ")} stands on ${device}`;
  // The kernel lets mapped devices share what they stand on, but no one else.
  return isOpenExclusively(device) ? `${device} is mounted or open exclusively` : undefined;
}

function isOpenExclusively(device: string): boolean {
  try {
    closeSync(openSync(device, constants.O_RDONLY | constants.O_EXCL));
    return false;
  } catch (error) {
    if (errorCode(error) === "EBUSY") return true;
    throw error;
  }
}

function lockedIfThere(path: string): boolean {
  try {
    return isLocked(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
