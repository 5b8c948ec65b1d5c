import { errorCode } from "../../../linux/system-error.ts";
import { unknownDevice } from "../../device-name.ts";
import type { DeviceLocks } from "../device-locks.ts";
import type { DeviceRecord } from "../device-records.ts";
import type { Place } from "../place.ts";
import type { RunningDevices } from "../running-devices.ts";

/** What all of dmsetup's view of the devices in user space works with. */
export interface MappedContext {
  devices: RunningDevices;
  /** The folder whose `mapper` has the links. */
  deviceDir: string;
  locks: DeviceLocks;
}

/** A device, as it was found. */
export interface SeenDevice {
  name: string;
  /** A device that was made in one go, as the graph's are, has none. */
  record: DeviceRecord | undefined;
  /** Where its table is in force; undefined where none is. */
  place: Place | undefined;
}

/** Looks for a device. Where one without record, and without anything that serves it, was announced, there is none. */
export async function seeDevice({ devices }: MappedContext, name: string): Promise<SeenDevice | undefined> {
  const record = devices.record(name);
  const found = await devices.find(name);
  const place = found !== undefined && (await isServed(devices, found)) ? found : undefined;
  return record === undefined && place === undefined ? undefined : { name, record, place };
}

/** @throws DeviceMapperError ENXIO */
export async function requireDevice(context: MappedContext, name: string): Promise<SeenDevice> {
  const seen = await seeDevice(context, name);
  if (seen === undefined) throw unknownDevice(name);
  return seen;
}

async function isServed(devices: RunningDevices, place: Place): Promise<boolean> {
  if (place.kind !== "volume") return true;
  try {
    await devices.volume(place);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENXIO") return false;
    if (errorCode(error) === "EIO") return true; // its pool has failed
    throw error;
  }
}
