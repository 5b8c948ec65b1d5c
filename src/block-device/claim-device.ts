import { constants, existsSync, openSync } from "node:fs";
import { isBlockDevice } from "../linux/block-device.ts";
import { lockFileSync } from "../linux/flock.ts";
import { errorCode } from "../linux/system-error.ts";
import { ThinError } from "../thin/errors.ts";

/**
 * Claims what a pool keeps its data or metadata on, until this process ends: two engines on one device would destroy it.
 * A block device is also claimed against file systems and the kernel's own holders. A missing path is not claimed.
 *
 * @throws ThinError EBUSY when something else uses it
 */
export function claimDevice(path: string): void {
  if (!existsSync(path)) return;
  try {
    lockFileSync(path);
    // Never closed: the claim ends with the process.
    if (isBlockDevice(path)) openSync(path, constants.O_RDONLY | constants.O_EXCL);
  } catch (error) {
    const code = errorCode(error);
    if (code !== "EAGAIN" && code !== "EBUSY") throw error;
    throw new ThinError(
      "EBUSY",
      `Cannot start the pool on ${path}: it is in use, by another pool or a mount; stop that first (mica shutdown, umount)`,
      { cause: error },
    );
  }
}
