import { readFileSync, statSync } from "node:fs";
import { majorMinor } from "./special-files.ts";

/** A block device's number, as tables have it: "7:0". */
export function deviceNumber(path: string): string {
  const { major, minor } = majorMinor(statSync(path, { bigint: true }).rdev);
  return `${major}:${minor}`;
}

/**
 * A path at which the block device of a number ("7:0") can be opened: /dev/mapper/NAME for a device mapper's, else as the kernel
 * calls it in /dev. undefined where there is none.
 */
export function blockDevicePath(numbers: string): string | undefined {
  return [mapperPath(numbers), kernelPath(numbers)].find((path) => path !== undefined && isDevice(path, numbers));
}

/** Where a device is that a table names by path or by number ("7:0"). undefined where there is none of that number. */
export function devicePath(device: string): string | undefined {
  return /^\d+:\d+$/.test(device) ? blockDevicePath(device) : device;
}

function mapperPath(numbers: string): string | undefined {
  const name = readSysfs(`/sys/dev/block/${numbers}/dm/name`);
  return name === undefined ? undefined : `/dev/mapper/${name}`;
}

function kernelPath(numbers: string): string | undefined {
  const name = /^DEVNAME=(.*)$/m.exec(readSysfs(`/sys/dev/block/${numbers}/uevent`) ?? "")?.[1];
  return name === undefined ? undefined : `/dev/${name}`;
}

function isDevice(path: string, numbers: string): boolean {
  try {
    return deviceNumber(path) === numbers;
  } catch {
    return false;
  }
}

/** A file of sysfs without its newline; undefined where there is none. */
export function readSysfs(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
