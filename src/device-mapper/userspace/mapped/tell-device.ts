import { readFileSync } from "node:fs";
import { formatMappedTable, parseMappedTable, placesOf } from "../../../mapping/mapped-table.ts";
import type { ListedDevice, MappedDeviceInfo, StatusSegment, TableSegment, TableSlot } from "../../mapped-devices.ts";
import { isSamePlace, pathsOf, type Place, poolPlace } from "../place.ts";
import { formatSegments, thinParameters, volumeSegments } from "../volume-lines.ts";
import { kindOf, mapDevices, segmentsOf } from "./check-table.ts";
import { deviceWord, numbersOf, parseNumbers } from "./device-word.ts";
import type { MappedContext, SeenDevice } from "./mapped-context.ts";
import { openCount } from "./open-count.ts";

const noTable: TableSegment[] = [];

/** A device's table as the kernel prints it: devices by their numbers. */
export async function tableOf(context: MappedContext, seen: SeenDevice, slot: TableSlot): Promise<TableSegment[]> {
  const segments = await rawTable(context, seen, slot);
  switch (kindOf(segments, seen.place)) {
    case "pool":
      return [poolSegment(segments[0])];
    case "volume":
      return withPoolNumbers(context, segments);
    default:
      return segments.length === 0 ? noTable : mappedSegments(segments, deviceWord);
  }
}

/** What a device's targets say of themselves. */
export async function statusOf(
  context: MappedContext,
  seen: SeenDevice,
  { noFlush, slot }: { noFlush: boolean; slot: TableSlot },
): Promise<StatusSegment[]> {
  const { devices } = context;
  const segments = await rawTable(context, seen, slot);
  const { place } = seen;
  const pool = poolOf(segments, place);
  const flush = !noFlush && pool !== undefined && place?.kind === "pool" && !(await devices.pool(pool)).suspended;
  // Its numbers are right without: what cannot be committed is no reason to say nothing.
  if (flush) await devices.send(pool, "flush").catch(() => undefined);
  return Promise.all(
    segments.map(async ({ start, length, target, parameters }) => {
      if (target === "thin-pool") return { start, length, target, parameters: await poolStatus(context, pool) };
      if (target === "thin") return { start, length, target, parameters: await thinStatus(context, seen, slot) };
      return { start, length, target, parameters: target === "striped" ? stripedStatus(parameters) : "" };
    }),
  );
}

/** Numbers of the block devices that a table stands on, the last that it names first, as the kernel has them. */
export async function depsOf(
  context: MappedContext,
  seen: SeenDevice,
  slot: TableSlot,
): Promise<{ major: number; minor: number }[]> {
  const segments = await rawTable(context, seen, slot);
  const words: string[] = [];
  for (const { target, parameters } of await tableOf(context, seen, slot)) {
    const given = parameters.split(" ");
    if (target === "thin") words.push(...(given.length > 2 ? [given[2]] : []), given[0]);
    else if (target === "thin-pool") words.push(given[0], given[1]);
  }
  if (kindOf(segments, seen.place) === "mapped" && segments.length > 0) {
    const places = placesOf(parseMappedTable(formatSegments(segments)));
    words.push(...places.map(({ device }) => deviceWord(device)));
  }
  const numbers = [...new Set(words)].filter((word) => /^\d+:\d+$/.test(word));
  return numbers.reverse().map(parseNumbers);
}

/** What the device mapper knows of a device. */
export async function infoOf(context: MappedContext, seen: SeenDevice): Promise<MappedDeviceInfo> {
  const { devices } = context;
  const { name, record, place } = seen;
  const state = place === undefined ? undefined : await stateOf(context, place);
  return {
    name,
    uuid: record?.uuid ?? "",
    ...(await numbersAt(context, place)),
    openCount: place === undefined ? 0 : await openCount(devices, place),
    eventNumber: (state?.eventNumber ?? 0) + (record?.events ?? 0),
    suspended: state?.suspended ?? record?.suspended ?? false,
    readOnly: record?.readOnly ?? false,
    liveTable: place !== undefined,
    inactiveTable: record?.inactive !== undefined,
    targetCount: place === undefined ? 0 : (await rawTable(context, seen, "live")).length,
    deferredRemove: state?.deferredRemove ?? false,
  };
}

/** All devices, by name. */
export async function listDevices(context: MappedContext): Promise<ListedDevice[]> {
  const { devices } = context;
  const named = new Map<string, Place | undefined>();
  for (const name of devices.records.names()) {
    const record = devices.record(name);
    if (record !== undefined) named.set(name, record.place);
  }
  const recorded = [...named.values()];
  const listed = new Map<string, Place | undefined>([...named.keys()].map((name) => [name, undefined]));
  for (const place of await devices.places()) {
    const index = recorded.findIndex((one) => isSamePlace(one, place));
    listed.set(index < 0 ? devices.nameOf(place) : [...named.keys()][index], place);
  }
  const names = [...listed.keys()].sort((one, other) => (one < other ? -1 : 1));
  return Promise.all(names.map(async (name) => ({ name, ...(await numbersAt(context, listed.get(name))) })));
}

/** The number of a device's block device, which is attached if it was not; not of one that is to go. */
async function numbersAt(context: MappedContext, place: Place | undefined): Promise<{ major: number; minor: number }> {
  if (place === undefined) return parseNumbers(undefined);
  const { devices } = context;
  const loop = devices.loop(place);
  const going = loop.find() === undefined && (await stateOf(context, place)).deferredRemove;
  return parseNumbers(going ? undefined : numbersOf(await devices.attached(place)));
}

interface DeviceState {
  suspended: boolean;
  deferredRemove: boolean;
  eventNumber: number;
}

async function stateOf({ devices }: MappedContext, place: Place): Promise<DeviceState> {
  if (place.kind === "pool") return devices.pool(place);
  const { suspended, deferredRemove } =
    place.kind === "volume" ? await devices.volume(place) : await devices.mapped(place);
  return { suspended, deferredRemove, eventNumber: 0 };
}

/** A table as engines read it; empty where there is none. */
async function rawTable(
  { devices }: MappedContext,
  { record, place }: SeenDevice,
  slot: TableSlot,
): Promise<TableSegment[]> {
  if (slot === "inactive") return record?.inactive?.segments ?? noTable;
  if (place === undefined) return noTable;
  if (place.kind === "pool") return segmentsOf(readFileSync(pathsOf(devices.runDir, place).table, "utf8"));
  if (place.kind === "volume") {
    return volumeSegments((await devices.volume(place)).table, (segment) => thinParameters(place.host, segment));
  }
  const { segments } = parseMappedTable((await devices.mapped(place)).table);
  return segmentsOf(formatMappedTable({ segments, readOnly: false }));
}

/** With the blank at its end, as the kernel prints it. */
function poolSegment({ start, length, target, parameters }: TableSegment): TableSegment {
  const [metadata, data, ...rest] = parameters.split(" ");
  const words = [deviceWord(metadata), deviceWord(data), ...rest];
  return { start, length, target, parameters: `${words.join(" ")} ` };
}

function withPoolNumbers({ devices }: MappedContext, segments: readonly TableSegment[]): Promise<TableSegment[]> {
  return Promise.all(
    segments.map(async (segment) => {
      if (segment.target !== "thin") return segment;
      const [pool, id, ...origin] = segment.parameters.split(" ");
      const words = [deviceWord(await devices.attached(poolPlace(pool))), id, ...origin.map(deviceWord)];
      return { ...segment, parameters: words.join(" ") };
    }),
  );
}

function mappedSegments(segments: readonly TableSegment[], rename: (device: string) => string): TableSegment[] {
  const table = parseMappedTable(formatSegments(segments));
  return segmentsOf(
    formatMappedTable({ segments: table.segments.map((one) => mapDevices(one, rename)), readOnly: false }),
  );
}

function poolOf(segments: readonly TableSegment[], place: Place | undefined): Place | undefined {
  if (place !== undefined) return place.kind === "mapped" ? undefined : poolPlace(place.host);
  const thin = segments.find(({ target }) => target === "thin");
  return thin === undefined ? undefined : poolPlace(thin.parameters.split(" ")[0]);
}

/** As `pool_status` of the kernel's prints it, with the blank at its end. A pool that is loaded only has none yet. */
async function poolStatus({ devices }: MappedContext, pool: Place | undefined): Promise<string> {
  if (pool === undefined) return "Fail";
  const status = await devices.send(pool, "status");
  return status === "Fail" ? status : `${status} `;
}

async function thinStatus({ devices }: MappedContext, { place }: SeenDevice, slot: TableSlot): Promise<string> {
  return place === undefined || slot === "inactive" ? "-" : devices.send(place, `thin_status ${place.file}`);
}

/** `STRIPES DEVICE… 1 A…`: all of them are alive (dm-stripe.c, stripe_status). */
function stripedStatus(parameters: string): string {
  const [count, , ...places] = parameters.split(" ");
  const stripes = places.filter((_word, index) => index % 2 === 0).map(deviceWord);
  return [count, ...stripes, 1, "A".repeat(Number(count))].join(" ");
}
