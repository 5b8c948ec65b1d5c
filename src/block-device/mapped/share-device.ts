import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { deviceNumber, readSysfs } from "../../linux/device-path.ts";
import { fileLockHolders } from "../../linux/file-lock-holders.ts";
import { lockOpenFile } from "../../linux/flock.ts";
import { pidfdGetfd, pidfdOpen } from "../../linux/pidfd.ts";
import { errorCode } from "../../linux/system-error.ts";
import { BackingDevice } from "../../mapping/backing-device.ts";
import { MappingError } from "../../mapping/mapping-error.ts";
import { isClaimedByEngine, kernelUserOf } from "../device-users.ts";
import { servingFolder } from "./serving-folder.ts";

/** How often, and with what pause, a claim is asked for whose holder is just coming or going. */
const attempts = 20;
const pauseMs = 5;
const pause = new Int32Array(new SharedArrayBuffer(4));
/** Marks a descriptor as a mapper's claim, for other mappers to find: no data is read through it. */
const claimFlags = constants.O_RDONLY | constants.O_EXCL | constants.O_NOATIME;

/** A file or block device that a mapped device stands on, claimed. */
export interface SharedDevice {
  readonly backing: BackingDevice;
  /** Lets it go; the claim lasts while another mapped device has it. */
  close(): void;
}

/**
 * Opens what a mapped device stands on, and claims it as the kernel's device mapper does: for all mapped devices together. Several may lie on one disk,
 * while nobody can mount it, and no pool takes it. All of them hold one exclusive opening of the block device, which each that comes later duplicates
 * from one of the others, and a shared lock of flock(2) each, which keeps pools out and by which they find each other.
 *
 * @throws MappingError EBUSY when something else uses it; the system's error when it cannot be opened
 */
export function shareDevice(path: string, access: "read-write" | "read-only"): SharedDevice {
  const backing = new BackingDevice(path, access);
  let claim: number | undefined;
  try {
    if (!lockOpenFile(backing.fd, "shared")) throw inUse(path, "by a pool");
    if (backing.isBlockDevice) claim = claimBlockDevice(backing);
    else refuseKernelUser(path);
    if (isClaimedThroughFile(backing)) throw inUse(path, "by a pool: the file under it is");
  } catch (error) {
    if (claim !== undefined) closeSync(claim);
    backing.close();
    throw error;
  }
  return {
    backing,
    close() {
      backing.close();
      if (claim !== undefined) closeSync(claim);
    },
  };
}

function claimBlockDevice({ path, fd }: BackingDevice): number {
  const { dev, ino, rdev } = fstatSync(fd, { bigint: true });
  for (let attempt = 1; ; attempt++) {
    try {
      return openSync(path, claimFlags);
    } catch (error) {
      if (errorCode(error) !== "EBUSY") throw error;
      const holders = fileLockHolders({ dev, ino });
      for (const pid of holders) {
        const claim = duplicateClaim(pid, rdev);
        if (claim !== undefined) return claim;
      }
      // This process holds the lock too; another that does is about to claim, or to end.
      if (attempt === attempts || holders.every((pid) => pid === process.pid)) {
        throw inUse(path, "by a mount, a pool or another program", error);
      }
      Atomics.wait(pause, 0, 0, pauseMs);
    }
  }
}

/** The claim of a process on a block device, in this one; it may be this one's own. */
function duplicateClaim(pid: number, rdev: bigint): number | undefined {
  let pidfd: number | undefined;
  try {
    pidfd = pidfdOpen(pid);
    for (const name of readdirSync(`/proc/${pid}/fd`)) {
      if (isClaim(pid, name, rdev)) return pidfdGetfd(pidfd, Number(name));
    }
  } catch {
    // It ended meanwhile, or is none of ours.
  } finally {
    if (pidfd !== undefined) closeSync(pidfd);
  }
  return undefined;
}

function isClaim(pid: number, name: string, rdev: bigint): boolean {
  try {
    // Looked at first: to ask a file of any other kind for its number could ask an engine.
    return isMarkedAsClaim(pid, name) && statSync(`/proc/${pid}/fd/${name}`, { bigint: true }).rdev === rdev;
  } catch {
    return false; // it was closed meanwhile
  }
}

/** Whether a process has a descriptor only to keep others away. @throws Error when there is no such descriptor (any more) */
export function isMarkedAsClaim(pid: number, name: string): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${name}`, "latin1"))?.[1];
  return (parseInt(flags ?? "0", 8) & constants.O_NOATIME) !== 0;
}

/** Files are not shared with what the kernel does through a loop device of theirs. */
function refuseKernelUser(path: string): void {
  const user = kernelUserOf(path);
  if (user !== undefined) throw inUse(path, `in the kernel: ${user}`);
}

/** A pool on the file under a loop device. A volume is no such file, and asking would ask its engine. */
function isClaimedThroughFile({ path, isBlockDevice }: BackingDevice): boolean {
  if (!isBlockDevice) return false;
  const file = readSysfs(`/sys/dev/block/${deviceNumber(path)}/loop/backing_file`);
  return file !== undefined && servingFolder(file) === undefined && isClaimedByEngine(file);
}

function inUse(path: string, how: string, cause?: unknown): MappingError {
  const message = `Cannot map ${path}: it is in use, ${how}. Stop that first (umount, mica shutdown, dmsetup remove)`;
  return new MappingError("EBUSY", message, { cause });
}
