import { startMappedDevice } from "../../../block-device/mapped/mapped-process.ts";
import { startPool } from "../../../block-device/pool-process.ts";
import { errorCode } from "../../../linux/system-error.ts";
import { DeviceMapperError } from "../../device-mapper-error.ts";
import { linkPath } from "../device-link.ts";
import type { DeviceRecord, LoadedTable } from "../device-records.ts";
import { mappedPlace, type Place, poolPlace, volumePlace } from "../place.ts";
import { removeDevice } from "../remove-device.ts";
import { translated } from "../translated.ts";
import { formatSegments } from "../volume-lines.ts";
import { kindOf } from "./check-table.ts";
import type { MappedContext, SeenDevice } from "./mapped-context.ts";

/** How many names are tried for the processes of a device whose own name others have. */
const MOST_HOSTS = 1000;

/**
 * Puts the table that was loaded in force, if there is one, and lets I/O go on.
 *
 * Its record says first where the device will be served, and forgets the loaded table last: a caller that dies on the way leaves a device that can
 * be resumed again, or removed. A table that cannot be put in force is forgotten, as the kernel does.
 *
 * @throws DeviceMapperError why it cannot be
 */
export async function resumeDevice(context: MappedContext, seen: SeenDevice): Promise<void> {
  const { devices } = context;
  const { name, record, place } = seen;
  if (record?.inactive === undefined) {
    if (place !== undefined) return devices.release(place);
    if (record?.suspended !== true) return;
    throw new DeviceMapperError("EINVAL", `Cannot resume '${name}': it has no table. Load one first`);
  }
  const { inactive, ...rest } = record;
  try {
    if (place === undefined) await start(context, seen, record, inactive);
    else await swap(context, name, place, inactive);
  } catch (error) {
    devices.records.write(name, { ...rest, place });
    throw error;
  }
  const served = place ?? devices.records.read(name)?.place;
  devices.records.write(name, { ...rest, place: served, readOnly: inactive.readOnly, suspended: false });
}

/** The first table of a device. */
async function start(
  context: MappedContext,
  { name }: SeenDevice,
  record: DeviceRecord,
  table: LoadedTable,
): Promise<void> {
  const { devices, deviceDir } = context;
  const kind = kindOf(table.segments, undefined);
  for (const place of placesFor(context, record, kind, name, table)) {
    devices.records.write(name, { ...record, place });
    if (place.kind === "volume") devices.loop(place).announce();
    try {
      await serve(context, place, table);
    } catch (error) {
      if (place.kind === "volume" && errorCode(error) !== "EEXIST") devices.loop(place).forget();
      if (errorCode(error) === "EEXIST") continue;
      throw error;
    }
    try {
      await devices.loop(place).note({ name, link: linkPath(deviceDir, name), readOnly: table.readOnly });
      await devices.attached(place, record.minor);
    } catch (error) {
      await removeDevice(devices, name, place, {});
      throw error;
    }
    return;
  }
  throw new DeviceMapperError("EEXIST", `Cannot start '${name}': too many devices began with that name`);
}

/** Where it may be served, best first: as what it is called, unless another device began so. */
function* placesFor(
  { devices }: MappedContext,
  record: DeviceRecord,
  kind: Place["kind"],
  name: string,
  { segments }: LoadedTable,
): IterableIterator<Place> {
  // Where an earlier try, which was killed, wanted to have it.
  if (record.place?.kind === kind && isFree(record.place)) yield record.place;
  const pool = segments.find(({ target }) => target === "thin")?.parameters.split(" ")[0] ?? "";
  for (let count = 1; count <= MOST_HOSTS; count++) {
    const file = count === 1 ? name : `${name}~${count}`;
    const place = kind === "pool" ? poolPlace(file) : kind === "mapped" ? mappedPlace(file) : volumePlace(pool, file);
    if (isFree(place)) yield place;
  }

  function isFree(place: Place): boolean {
    // In messages to an engine its pool's own name means the pool.
    return place.kind === "volume" ? place.file !== place.host : !devices.runs(place);
  }
}

/** Starts what serves a device, or makes a pool that runs do it. EEXIST where something else is served at the place. */
async function serve({ devices }: MappedContext, place: Place, { segments, readOnly }: LoadedTable): Promise<void> {
  const text = formatSegments(segments);
  if (place.kind === "pool") await translated(startPool(devices.runDir, place.host, text));
  else if (place.kind === "mapped") {
    await translated(startMappedDevice(devices.runDir, place.host, text, { readOnly }));
  } else await devices.send(place, `activate_table ${place.file}\n${text}`);
}

/** Another table for a device that is there: under whoever has it open. */
async function swap(
  context: MappedContext,
  name: string,
  place: Place,
  { segments, readOnly }: LoadedTable,
): Promise<void> {
  const { devices, deviceDir } = context;
  const text = formatSegments(segments);
  // What a mounted file system has in memory goes where the table before has it.
  await devices.sync(place);
  if (place.kind === "pool") await devices.send(place, `reload ${text}`);
  else if (place.kind === "volume") await devices.send(place, `set_table ${place.file}\n${text}`);
  else await devices.send(place, `reload ${readOnly ? "read_only\n" : ""}${text}`);
  const loop = devices.loop(place);
  await devices.attached(place);
  await loop.note({ link: linkPath(deviceDir, name), readOnly });
  loop.refreshSize();
  await devices.release(place);
}
