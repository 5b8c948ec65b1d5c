import { DeviceMapperError } from "../../device-mapper-error.ts";
import { requireDeviceName } from "../../device-name.ts";
import { linkPath, requireFreeLink } from "../device-link.ts";
import type { DeviceRecord } from "../device-records.ts";
import type { Place } from "../place.ts";
import { type MappedContext, requireDevice, seeDevice } from "./mapped-context.ts";

/** Most bytes of a uuid (linux/dm-ioctl.h, DM_UUID_LEN, less its end). */
const mostUuidBytes = 128;

/** A device without a table. @throws DeviceMapperError EBUSY, EINVAL */
export async function createDevice(
  context: MappedContext,
  name: string,
  { uuid = "", minor }: { uuid?: string; minor?: number },
): Promise<void> {
  const { devices, locks } = context;
  requireDeviceName(name);
  await locks.withNames(async () => {
    await requireFreeName(context, name);
    if (uuid !== "") {
      requireFreeUuid(context, uuid);
      devices.records.index(uuid, name);
    }
    devices.records.write(name, { uuid, minor });
  });
}

/**
 * Another name for a device, whatever its state; its I/O goes on. First what serves it says the new name, then the record goes over in one step, then the
 * link is turned: a caller that dies on the way leaves a device of the one name or the other.
 *
 * @throws DeviceMapperError EBUSY when the new name is another's
 */
export async function renameDevice(context: MappedContext, name: string, newName: string): Promise<void> {
  const { devices, deviceDir, locks } = context;
  requireDeviceName(newName);
  const { record, place } = await requireDevice(context, name);
  await locks.withNames(async () => {
    await requireFreeName(context, newName);
    devices.records.write(name, renamed(record, place));
    if (place !== undefined) await devices.loop(place).note({ name: newName });
    devices.records.rename(name, newName);
    if (record !== undefined && record.uuid !== "") devices.records.index(record.uuid, newName);
  });
  if (place !== undefined) await devices.loop(place).note({ link: linkPath(deviceDir, newName) });
}

/** @throws DeviceMapperError EBUSY when a device has it, EINVAL when this one has another */
export async function giveUuid(context: MappedContext, name: string, uuid: string): Promise<void> {
  const { devices, locks } = context;
  const { record, place } = await requireDevice(context, name);
  await locks.withNames(async () => {
    requireFreeUuid(context, uuid);
    if (record !== undefined && record.uuid !== "") {
      throw new DeviceMapperError("EINVAL", `Cannot give '${name}' the uuid '${uuid}': it has '${record.uuid}'`);
    }
    devices.records.index(uuid, name);
    devices.records.write(name, { ...renamed(record, place), uuid });
    return Promise.resolve();
  });
}

/** The record of a device whose name or uuid changes: for one with a table in force that is an event. */
function renamed(record: DeviceRecord | undefined, place: Place | undefined): Partial<DeviceRecord> {
  const events = (record?.events ?? 0) + (place === undefined ? 0 : 1);
  return { ...record, place: place ?? record?.place, events };
}

async function requireFreeName(context: MappedContext, name: string): Promise<void> {
  if ((await seeDevice(context, name)) !== undefined) {
    throw new DeviceMapperError("EBUSY", `Cannot use the name '${name}': there is a device of that name`);
  }
  requireFreeLink(linkPath(context.deviceDir, name), context.devices.runDir);
}

function requireFreeUuid({ devices }: MappedContext, uuid: string): void {
  if (uuid === "" || Buffer.byteLength(uuid) > mostUuidBytes) {
    throw new DeviceMapperError("EINVAL", `Cannot use the uuid '${uuid}': it has 1 to ${mostUuidBytes} bytes`);
  }
  const other = devices.records.nameOf(uuid);
  if (other !== undefined && devices.record(other) !== undefined) {
    throw new DeviceMapperError("EBUSY", `Cannot use the uuid '${uuid}': '${other}' has it`);
  }
}
