import { readdirSync, readlinkSync } from "node:fs";
import { isMarkedAsClaim } from "../../../block-device/mapped/share-device.ts";
import { mountTable } from "../../../linux/mount-table.ts";
import { loopBusy } from "../../../linux/loop.ts";
import type { Place } from "../place.ts";
import type { RunningDevices } from "../running-devices.ts";
import { numbersOf } from "./device-word.ts";

/**
 * How often a device is open, as far as can be seen: programs that have it open, the mapped devices and pools on it among them; its file system, once
 * however often that is mounted; the volumes of a pool. No other process's descriptors are seen without the right to.
 */
export async function openCount(devices: RunningDevices, place: Place): Promise<number> {
  const volumes = place.kind === "pool" ? (await devices.volumes(place)).length : 0;
  const device = devices.loop(place).find();
  if (device === undefined) return volumes;
  const opens = volumes + openDescriptors(device) + (isMounted(device) ? 1 : 0);
  // Somebody who cannot be seen: a mount in another namespace, say.
  return opens === 0 && loopBusy(device) ? 1 : opens;
}

function isMounted(device: string): boolean {
  const numbers = numbersOf(device);
  return mountTable().some(({ major, minor, source }) => `${major}:${minor}` === numbers || source === device);
}

function openDescriptors(device: string): number {
  let count = 0;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of entries(`/proc/${pid}/fd`)) if (isUse(Number(pid), fd, device)) count++;
  }
  return count;
}

/** A process may end, or close a file, while it is looked at. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** What a mapped device stands on it has open twice, once only to keep others away. */
function isUse(pid: number, fd: string, device: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`) === device && !isMarkedAsClaim(pid, fd);
  } catch {
    return false;
  }
}
