import { closeSync, openSync } from "node:fs";
import { isClaimedByEngine, kernelUserOf } from "../../block-device/device-users.ts";
import { isBlockDevice } from "../../linux/block-device.ts";
import { lockFile, type FileLock } from "../../linux/flock.ts";
import { attachLoop, loopInfo, setLoopAutoclear } from "../../linux/loop.ts";
import { loopsOnFile } from "../../linux/loops-on-file.ts";
import { errorCode } from "../../linux/system-error.ts";
import { GraphError } from "../graph-error.ts";

/** udev locks a device for a moment, while it looks at it. */
const lockWaitMs = 5000;

/** A file or block device on its way under a pool of the kernel's. */
export interface Held {
  /** What the pool's table is to name. */
  device: string;
  /** When the pool has it, or will not have it: a loop device that was attached for it goes then, unless the pool has it. */
  letGo(): void;
}

/**
 * Readies a file or block device for a pool in the kernel: nobody else may use it, and until `letGo` no engine begins to. A file gets a
 * loop device, with direct I/O where its file system has that; one that was left attached to it is taken again.
 *
 * @throws GraphError EBUSY, naming who uses it
 */
export async function holdForKernel(path: string): Promise<Held> {
  if (isClaimedByEngine(path)) throw inUse(path, "a pool in user space has it");
  const lock = await lockUnlessTaken(path);
  try {
    const user = kernelUserOf(path);
    if (user !== undefined) throw inUse(path, user);
    if (isBlockDevice(path)) return { device: path, letGo: () => lock.release() };
    const device = freeLoopOn(path) ?? attachLoop(path, { directIo: true });
    return holdLoop(device, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The loop device is to end with the pool, however that ends; until the pool has it, our descriptor keeps it. */
function holdLoop(device: string, lock: FileLock): Held {
  const fd = openSync(device, "r");
  setLoopAutoclear(device, "on");
  return {
    device,
    letGo() {
      closeSync(fd);
      lock.release();
    },
  };
}

/** What an earlier pool, Docker's or a start that was killed, left attached. */
function freeLoopOn(file: string): string | undefined {
  return loopsOnFile(file).find((device) => loopInfo(device)?.readOnly === false);
}

async function lockUnlessTaken(path: string): Promise<FileLock> {
  try {
    return await lockFile(path, { wait: lockWaitMs });
  } catch (error) {
    if (errorCode(error) !== "EAGAIN") throw error;
    throw inUse(path, "another program has locked it");
  }
}

function inUse(path: string, how: string): GraphError {
  return new GraphError(
    "EBUSY",
    `Cannot start the pool on '${path}': it is in use: ${how}. Stop that first (mica shutdown, umount, dmsetup remove)`,
  );
}
