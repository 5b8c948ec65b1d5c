import { lstatSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { blockDevicePath, deviceNumber } from "../../../linux/device-path.ts";
import { loopBackingFile } from "../../../linux/loop.ts";
import { majorMinor } from "../../../linux/special-files.ts";
import { DeviceMapperError } from "../../device-mapper-error.ts";
import { linkPath } from "../device-link.ts";
import { type Place, placeOfFile } from "../place.ts";
import type { RunningDevices } from "../running-devices.ts";

/**
 * The absolute path of what a table calls a device: a path, or a number as the kernel prints them ("7:3"). Links are left as they are: one to a
 * device of ours is turned when that gets another loop device.
 *
 * @throws DeviceMapperError ENODEV, ENXIO as the kernel has it where there is no such device
 */
export function devicePath(word: string): string {
  if (/^\d+:\d+$/.test(word)) {
    const path = blockDevicePath(word);
    if (path === undefined) throw new DeviceMapperError("ENXIO", `Cannot use device ${word}: there is none`);
    return path;
  }
  const path = resolve("/dev", word);
  const stat = statSync(path, { throwIfNoEntry: false });
  // Files are devices too: pools without loop devices are made of them.
  if (stat !== undefined && (stat.isBlockDevice() || stat.isFile())) return path;
  throw new DeviceMapperError("ENODEV", `Cannot use device ${word}: there is no such block device or file`);
}

/** What a table prints for a device: its number; the path of a file, which has none. */
export function deviceWord(path: string): string {
  return numbersOf(path) ?? path;
}

/** The number of a block device, "7:3"; undefined for a file, and where nothing is. */
export function numbersOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isBlockDevice() === true ? deviceNumber(path) : undefined;
}

/** A number in its two parts; 0:0 for none. */
export function parseNumbers(numbers: string | undefined): { major: number; minor: number } {
  const [major, minor] = (numbers ?? "0:0").split(":").map(Number);
  return { major, minor };
}

/** Which device of ours a word of a table means: its name, the path of its link, of its loop device, or its number. undefined for none. */
export async function placeOfWord(
  devices: RunningDevices,
  deviceDir: string,
  word: string,
): Promise<Place | undefined> {
  const name = word.includes("/") ? basename(word) : word;
  if (!word.includes("/") || word === linkPath(deviceDir, name) || word === join("/dev/mapper", name)) {
    const place = await devices.find(name);
    if (place !== undefined) return place;
  }
  const path = /^\d+:\d+$/.test(word) ? blockDevicePath(word) : resolve("/dev", word);
  if (path === undefined || lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  const file = numbersOf(path) === undefined ? undefined : loopFile(path);
  return file === undefined ? undefined : placeOfFile(devices.runDir, file);
}

function loopFile(path: string): string | undefined {
  const { minor } = majorMinor(statSync(path, { bigint: true }).rdev);
  const device = `/dev/loop${minor}`;
  return numbersOf(path) === numbersOf(device) ? loopBackingFile(device) : undefined;
}
