import { readFileSync } from "node:fs";
import { isClaimedByEngine, kernelUserOf } from "../../../block-device/device-users.ts";
import { parseThinParameters } from "../../../block-device/thin-parameters.ts";
import { parseVolumeTable } from "../../../block-device/volume-table.ts";
import { deviceSizeBytes } from "../../../linux/block-device.ts";
import { formatMappedTable, type MappedSegment, parseMappedTable, placesOf } from "../../../mapping/mapped-table.ts";
import { parseTableLines, type TableLine } from "../../../mapping/table-lines.ts";
import { formatPoolTable, parsePoolTable } from "../../../thin/pool-table.ts";
import { DeviceMapperError } from "../../device-mapper-error.ts";
import type { TableSegment } from "../../mapped-devices.ts";
import { pathsOf, type Place } from "../place.ts";
import { formatSegments } from "../volume-lines.ts";
import { devicePath, placeOfWord } from "./device-word.ts";
import type { MappedContext, SeenDevice } from "./mapped-context.ts";

/** Which processes serve a table. */
export type TableKind = Place["kind"];

/**
 * Checks a table as the kernel does when it is loaded, and makes of it what engines read: devices by absolute paths, pools by their processes.
 *
 * @throws DeviceMapperError, ThinError, MappingError EINVAL for a table that targets refuse, ENODEV and ENXIO for a device that is not there, ENODATA for a
 *   thin device that is not, EBUSY for what is in use
 */
export async function checkTable(
  context: MappedContext,
  seen: SeenDevice,
  table: readonly TableSegment[],
): Promise<TableSegment[]> {
  const text = formatSegments(table.map(asOneLine));
  const lines = parseTableLines(text);
  const kind = kindOf(lines, seen.place);
  if (seen.place !== undefined && seen.place.kind !== kind) {
    const why = `${words[seen.place.kind]} cannot become ${words[kind]} while it is there`;
    throw new DeviceMapperError(
      "EINVAL",
      `Cannot load a table for '${seen.name}': ${why}. Remove it and create it anew`,
    );
  }
  if (kind === "pool") return checkPool(context, seen, text);
  return kind === "volume" ? checkVolume(context, seen, lines) : checkMapped(text);
}

const words = { pool: "a thin pool", volume: "a device with a thin segment", mapped: "one without" } as const;

/** Which processes serve a table; those of a device that is there decide about zero and error. */
export function kindOf(lines: readonly { target: string }[], place: Place | undefined): TableKind {
  const targets = new Set(lines.map(({ target }) => target));
  if (targets.has("thin-pool")) return "pool";
  const volumes = [...targets].every((target) => target === "thin" || target === "zero" || target === "error");
  return targets.has("thin") || (volumes && place?.kind === "volume") ? "volume" : "mapped";
}

/** What a target is given may not hold another line. */
function asOneLine({ start, length, target, parameters }: TableSegment): TableSegment {
  return { start, length, target: target.trim(), parameters: parameters.trim().replace(/\s+/g, " ") };
}

function checkPool({ devices }: MappedContext, { place }: SeenDevice, text: string): TableSegment[] {
  if (text.includes("\n")) {
    throw new DeviceMapperError("EINVAL", "Cannot use the table: a thin pool is the only segment of its device");
  }
  const table = parsePoolTable(text);
  const [metadataDevice, dataDevice] = [devicePath(table.metadataDevice), devicePath(table.dataDevice)];
  const has = Math.floor(deviceSizeBytes(dataDevice) / 512);
  if (has < table.sectors) {
    const why = `it has ${has} sectors, the table wants ${table.sectors}`;
    throw new DeviceMapperError("EINVAL", `Cannot use ${dataDevice} as data device: ${why}`);
  }
  const own = place === undefined ? [] : poolDevices(pathsOf(devices.runDir, place).table);
  for (const path of [metadataDevice, dataDevice]) if (!own.includes(path)) requireUnused(path);
  return segmentsOf(formatPoolTable({ ...table, metadataDevice, dataDevice }));
}

function poolDevices(tableFile: string): string[] {
  const { metadataDevice, dataDevice } = parsePoolTable(readFileSync(tableFile, "utf8"));
  return [metadataDevice, dataDevice];
}

function requireUnused(path: string): void {
  const user = kernelUserOf(path) ?? (isClaimedByEngine(path) ? "another pool or mapped device has it" : undefined);
  if (user !== undefined) throw new DeviceMapperError("EBUSY", `Cannot use ${path}: it is in use, ${user}`);
}

async function checkVolume(
  context: MappedContext,
  seen: SeenDevice,
  lines: readonly TableLine[],
): Promise<TableSegment[]> {
  const segments: TableSegment[] = [];
  for (const { start, length, target, parameters } of lines) {
    const ours = target === "thin" ? await checkThin(context, seen, parameters) : parameters.join(" ");
    segments.push({ start, length, target, parameters: ours });
  }
  parseVolumeTable(formatSegments(segments));
  return segments;
}

async function checkThin(context: MappedContext, seen: SeenDevice, parameters: readonly string[]): Promise<string> {
  const { devices, deviceDir } = context;
  const refused = (why: string) =>
    new DeviceMapperError("EINVAL", `Cannot use the thin segment '${parameters.join(" ")}': ${why}`);
  const { pool: word, deviceId, externalOrigin } = parseThinParameters([...parameters], refused);
  const pool = await placeOfWord(devices, deviceDir, word);
  if (pool === undefined) devicePath(word);
  if (pool?.kind !== "pool") throw refused(`${word} is no thin pool`);
  if (seen.place !== undefined && seen.place.host !== pool.host) throw refused("the device is in another pool");
  if (seen.place === undefined && (await devices.pool(pool)).suspended) throw refused(`its pool ${word} is suspended`);
  const own = seen.place === undefined ? undefined : (await devices.volume(seen.place)).deviceId;
  if ((await devices.send(pool, `exists ${deviceId}`)) === "active" && own !== deviceId) {
    const message = `Cannot use thin device ${deviceId} of ${word}: it is active, as another device`;
    throw new DeviceMapperError("EBUSY", message);
  }
  const origin = externalOrigin === undefined ? [] : [devicePath(externalOrigin)];
  return [pool.host, deviceId, ...origin].join(" ");
}

function checkMapped(text: string): TableSegment[] {
  const { segments } = parseMappedTable(text);
  const table = { segments: segments.map(withPaths), readOnly: false };
  for (const { device, offset, length } of placesOf(table)) {
    const has = Math.floor(deviceSizeBytes(device) / 512);
    if (offset + length <= has) continue;
    const why = `it has ${has} sectors`;
    throw new DeviceMapperError("EINVAL", `Cannot map ${length} sectors of ${device} from sector ${offset}: ${why}`);
  }
  return segmentsOf(formatMappedTable(table));
}

function withPaths(segment: MappedSegment): MappedSegment {
  return mapDevices(segment, devicePath);
}

/** The same segment, its devices called otherwise. */
export function mapDevices(segment: MappedSegment, rename: (device: string) => string): MappedSegment {
  if (segment.target === "linear") return { ...segment, device: rename(segment.device) };
  if (segment.target !== "striped") return segment;
  return { ...segment, stripes: segment.stripes.map((stripe) => ({ ...stripe, device: rename(stripe.device) })) };
}

/** A table's lines as segments. */
export function segmentsOf(text: string): TableSegment[] {
  return parseTableLines(text).map(({ parameters, ...line }) => ({ ...line, parameters: parameters.join(" ") }));
}
