import { closeSync, constants, existsSync, openSync, readFileSync, readdirSync, statSync } from "node:fs";
import { setReadOnly } from "./block-device.ts";
import {
  loopCommand,
  loopConfig,
  loopFlags,
  loopInfo64,
  loopIoctl,
  loopRequest,
  readLoopStatus,
} from "./loop-ioctl.ts";
import { majorMinor } from "./special-files.ts";
import { errno, errorCode, SystemError } from "./system-error.ts";

/** How to attach. */
export interface LoopOptions {
  /** Past the page cache, straight to the file. The kernel falls back silently: `loopInfo` tells. */
  directIo?: boolean;
  readOnly?: boolean;
  /** Bytes of the file to show; default all. */
  sizeLimit?: number;
  /** Detach by itself when its last user closes it. */
  autoclear?: boolean;
  /** The number of the device, which is made if there is none; EBUSY where it is in use. Default the next free one. */
  number?: number;
  /** What requests are multiples of: a power of two from 512 (the default) to 4096. */
  blockSizeBytes?: number;
}

/** What is attached to a loop device. */
export interface LoopInfo {
  device: string;
  /** The file's path as the kernel knows it now; " (deleted)" behind it when it is gone. */
  backingFile: string;
  directIo: boolean;
  readOnly: boolean;
  autoclear: boolean;
}

const ATTEMPTS = 200;

/** linux/major.h */
const LOOP_MAJOR = 7;

/**
 * Attaches a file to the next free loop device.
 *
 * @returns the device, such as "/dev/loop3"
 */
export function attachLoop(path: string, options: LoopOptions = {}): string {
  const fileFd = openSync(path, options.readOnly === true ? "r" : "r+");
  const controlFd = openSync("/dev/loop-control", "r+");
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const free = options.number ?? loopCommand(controlFd, loopRequest.getFree, 0);
      if (free < 0) throw new SystemError(-free, { syscall: "find a free loop device", path: "/dev/loop-control" });
      const device = `/dev/loop${free}`;
      // EEXIST: it is there, attached or not.
      if (options.number !== undefined) loopCommand(controlFd, loopRequest.add, free);
      if (configure(device, fileFd, path, options)) {
        if (options.readOnly !== true) makeWritable(device);
        return device;
      }
      if (options.number !== undefined) break;
    }
    const what = options.number === undefined ? "a free loop device" : `loop device ${options.number} free`;
    throw new SystemError(errno.EBUSY, { syscall: `find ${what} for`, path });
  } finally {
    closeSync(controlFd);
    closeSync(fileFd);
  }
}

/** What made a loop device read-only (`setReadOnly`) outlasts its file: the next that is attached, by any program, would be read-only too. */
function makeWritable(device: string): void {
  if (flagOf(device.slice("/dev/".length), "ro")) setReadOnly(device, "read-write");
}

/** False when another process took the device first. */
function configure(device: string, fileFd: number, path: string, options: LoopOptions): boolean {
  let fd;
  try {
    fd = openSync(device, options.readOnly === true ? "r" : "r+");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "EBUSY" || errorCode(error) === "ENXIO") return false;
    throw error;
  }
  try {
    const config = Buffer.alloc(loopConfig.size);
    config.writeUInt32LE(fileFd, 0);
    config.writeUInt32LE(options.blockSizeBytes ?? 512, loopConfig.blockSize);
    config.writeBigUInt64LE(BigInt(options.sizeLimit ?? 0), loopConfig.info + loopInfo64.sizeLimit);
    const flags =
      (options.directIo === true ? loopFlags.directIo : 0) |
      (options.readOnly === true ? loopFlags.readOnly : 0) |
      (options.autoclear === true ? loopFlags.autoclear : 0);
    config.writeUInt32LE(flags, loopConfig.info + loopInfo64.flags);
    config.write(path.slice(-63), loopConfig.info + loopInfo64.fileName, 63, "utf8");
    loopIoctl(device, fd, loopRequest.configure, config);
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.errno === errno.EBUSY) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}

/**
 * What is attached to the device, or undefined. From sysfs: the ioctl for it would ask the file's own file system, which
 * may be slow, or gone.
 */
export function loopInfo(device: string): LoopInfo | undefined {
  const name = device.slice("/dev/".length);
  const backingFile = backingFileOf(name);
  if (backingFile === undefined) return undefined;
  return {
    device,
    backingFile,
    directIo: flagOf(name, "loop/dio"),
    readOnly: flagOf(name, "ro"),
    autoclear: flagOf(name, "loop/autoclear"),
  };
}

/** The loop devices that a file, given by absolute path, is attached to (also if it was deleted since). */
export function loopsOf(path: string): string[] {
  return allLoops()
    .filter(({ backingFile }) => backingFile === path || backingFile === `${path} (deleted)`)
    .map(({ device }) => device);
}

/** All attached loop devices. Reads sysfs only. */
export function allLoops(): { device: string; backingFile: string }[] {
  const found: { device: string; backingFile: string }[] = [];
  for (const name of readdirSync("/sys/block")) {
    // Most loop devices are attached to nothing: asking costs much less than an exception.
    if (!name.startsWith("loop") || !existsSync(`/sys/block/${name}/loop`)) continue;
    const backingFile = backingFileOf(name);
    if (backingFile !== undefined) found.push({ device: `/dev/${name}`, backingFile });
  }
  return found;
}

/** Whether a path leads to a loop device, whatever it is called there; false if it leads nowhere. */
export function isLoopDevice(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isBlockDevice() && majorMinor(stats.rdev).major === LOOP_MAJOR;
  } catch {
    return false;
  }
}

/** The file that a loop device such as "/dev/loop3" is attached to, or undefined. */
export function loopBackingFile(device: string): string | undefined {
  return backingFileOf(device.slice("/dev/".length));
}

function backingFileOf(name: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").replace(/\n$/, "");
  } catch {
    return undefined;
  }
}

function flagOf(name: string, attribute: string): boolean {
  try {
    return readFileSync(`/sys/block/${name}/${attribute}`, "latin1").trim() === "1";
  } catch {
    return false;
  }
}

/** Whether someone else has the device open in a way that excludes others: mounted, or held by another driver. */
export function loopBusy(device: string): boolean {
  try {
    closeSync(openSync(device, constants.O_RDONLY | constants.O_EXCL));
    return false;
  } catch (error) {
    if (errorCode(error) === "EBUSY") return true;
    if (errorCode(error) === "ENXIO") return false; // nothing is attached, or it is just being detached
    throw error;
  }
}

/**
 * Detaches a loop device.
 *
 * A busy one is left as it is and "busy" returned, unless `deferred`: then the kernel detaches it as its last user closes it.
 */
export function detachLoop(device: string, options: { deferred?: boolean } = {}): "detached" | "busy" | "deferred" {
  return withDevice(device, (fd) => {
    if (backingFileOf(device.slice("/dev/".length)) === undefined) return "detached";
    if (options.deferred !== true && loopBusy(device)) return "busy";
    // With other users CLR_FD succeeds too, and turns into autoclear at the last close (drivers/block/loop.c).
    const result = loopCommand(fd, loopRequest.clearFd, 0);
    if (result === -errno.ENXIO) return "detached";
    if (result < 0) throw new SystemError(-result, { syscall: "detach", path: device });
    return options.deferred === true && loopBusy(device) ? "deferred" : "detached";
  });
}

/** Turns "detach at last close" on or off for an attached loop device. */
export function setLoopAutoclear(device: string, autoclear: "on" | "off"): void {
  withDevice(device, (fd) => {
    const status = readLoopStatus(device, fd);
    if (status === undefined) throw new SystemError(errno.ENXIO, { syscall: "set autoclear on", path: device });
    const flags = status.readUInt32LE(loopInfo64.flags);
    const wanted = autoclear === "on" ? flags | loopFlags.autoclear : flags & ~loopFlags.autoclear;
    status.writeUInt32LE(wanted >>> 0, loopInfo64.flags);
    loopIoctl(device, fd, loopRequest.setStatus64, status);
  });
}

/** Tells a loop device that its file's size changed. */
export function refreshLoopSize(device: string): void {
  withDevice(device, (fd) => {
    const result = loopCommand(fd, loopRequest.setCapacity, 0);
    if (result < 0) throw new SystemError(-result, { syscall: "resize", path: device });
  });
}

function withDevice<T>(device: string, use: (fd: number) => T): T {
  const fd = openSync(device, "r");
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
