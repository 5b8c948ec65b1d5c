import { readFileSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import { majorMinor } from "../../linux/special-files.ts";

/** A device's number. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** The number of a block device at a path; undefined where there is none. */
export function numberAt(path: string): DeviceNumber | undefined {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stat?.isBlockDevice() !== true) return undefined;
  return majorMinor(stat.rdev);
}

/** What the kernel calls a block device: "loop0", "dm-3"; undefined where there is none of that number. */
export function kernelName({ major, minor }: DeviceNumber): string | undefined {
  try {
    return basename(readlinkSync(`/sys/dev/block/${major}:${minor}`));
  } catch {
    return undefined;
  }
}

/** How far the kernel reads ahead on a block device, in sectors; undefined where there is none. */
export function readAheadSectors({ major, minor }: DeviceNumber): number | undefined {
  try {
    return Number(readFileSync(`/sys/dev/block/${major}:${minor}/queue/read_ahead_kb`, "utf8")) * 2;
  } catch {
    return undefined;
  }
}

export function sameNumber(one: DeviceNumber, other: DeviceNumber): boolean {
  return one.major === other.major && one.minor === other.minor;
}
