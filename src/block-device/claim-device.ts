import { constants, existsSync, openSync } from "node:fs";
import { isBlockDevice } from "../linux/block-device.ts";
import { lockFileSync } from "../linux/flock.ts";
import { errorCode } from "../linux/system-error.ts";
import { ThinError } from "../thin/errors.ts";
import { kernelUserOf } from "./device-users.ts";

/**
 * Claims what a pool keeps its data or metadata on, until this process ends: two engines on one device would destroy it.
 * A block device is also claimed against file systems and the kernel's own holders, and a file that a pool in the kernel uses through a
 * loop device is refused. A missing path is not claimed.
 *
 * @param purpose what it is claimed for, as an error says it: "Cannot start the pool on PATH"
 * @throws ThinError EBUSY when something else uses it
 */
export function claimDevice(path: string, purpose = "start the pool on"): void {
  if (!existsSync(path)) return;
  try {
    lockFileSync(path);
    const user = kernelUserOf(path);
    if (user !== undefined) throw inUse(path, purpose, `in use in the kernel: ${user}`);
    // Never closed: the claim ends with the process.
    if (isBlockDevice(path)) openSync(path, constants.O_RDONLY | constants.O_EXCL);
  } catch (error) {
    const code = errorCode(error);
    if (error instanceof ThinError || (code !== "EAGAIN" && code !== "EBUSY")) throw error;
    throw inUse(path, purpose, "in use, by another pool or a mount", error);
  }
}

function inUse(path: string, purpose: string, how: string, cause?: unknown): ThinError {
  const message = `Cannot ${purpose} ${path}: it is ${how}. Stop that first (mica shutdown, umount)`;
  return new ThinError("EBUSY", message, { cause });
}
