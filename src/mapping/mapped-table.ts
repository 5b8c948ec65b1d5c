import { formatTableLine, naturalNumber, parseTableLines, refusedLine, type TableLine } from "./table-lines.ts";

/** A place on a file or block device: sectors of 512 bytes from its start. */
export interface DevicePlace {
  device: string;
  offset: number;
}

/** A range of a mapped device's sectors and what is behind it. */
export type MappedSegment = { start: number; length: number } & (
  | ({ target: "linear" } & DevicePlace)
  | { target: "striped"; chunkSectors: number; stripes: DevicePlace[] }
  | { target: "zero" }
  | { target: "error" }
);

/** The table of a device that is mapped by targets without a state of their own. */
export interface MappedTable {
  /** Contiguous from sector 0. */
  segments: MappedSegment[];
  /** Writes are refused, and what it stands on is opened for reading only. */
  readOnly: boolean;
}

/** A line before all segments: the device may not be written to. */
const readOnlyLine = "read_only";
/** Most stripes, so that a table fits into a message. */
const mostStripes = 4096;
const mostChunkSectors = 2 ** 32 - 1;

/** The targets that tables of this kind are made of. */
export const mappedTargets: readonly string[] = ["linear", "striped", "zero", "error"];

/**
 * Reads a table: a line a segment, as dmsetup takes it, and before them `read_only` where that holds.
 *
 * Source: Documentation/admin-guide/device-mapper/linear.rst, striped.rst, zero.rst; what is refused: drivers/md/dm-linear.c, dm-stripe.c, dm-zero.c.
 *
 * @throws MappingError EINVAL that names the line at fault
 */
export function parseMappedTable(text: string): MappedTable {
  const [first, ...rest] = text.trimStart().split("\n");
  const readOnly = first.trim() === readOnlyLine;
  return { segments: parseTableLines(readOnly ? rest.join("\n") : text).map(parseSegment), readOnly };
}

/** The inverse of `parseMappedTable`. */
export function formatMappedTable({ segments, readOnly }: MappedTable): string {
  const lines = segments.map((segment) => formatTableLine({ ...segment, parameters: parametersOf(segment) }));
  return [...(readOnly ? [readOnlyLine] : []), ...lines].join("\n");
}

/** Where a table's segments lie on other devices, with how many sectors they take there. */
export function placesOf({ segments }: MappedTable): (DevicePlace & { length: number })[] {
  return segments.flatMap((segment) => {
    const { length } = segment;
    if (segment.target === "linear") return [{ device: segment.device, offset: segment.offset, length }];
    if (segment.target !== "striped") return [];
    return segment.stripes.map((stripe) => ({ ...stripe, length: length / segment.stripes.length }));
  });
}

/** How many sectors contiguous segments have. */
export function sectorsOf(segments: readonly { start: number; length: number }[]): number {
  const last = segments.at(-1);
  return last === undefined ? 0 : last.start + last.length;
}

function parametersOf(segment: MappedSegment): string[] {
  switch (segment.target) {
    case "linear":
      return [segment.device, String(segment.offset)];
    case "striped": {
      const places = segment.stripes.flatMap(({ device, offset }) => [device, String(offset)]);
      return [String(segment.stripes.length), String(segment.chunkSectors), ...places];
    }
    default:
      return [];
  }
}

function parseSegment(line: TableLine): MappedSegment {
  const { start, length, target, parameters } = line;
  switch (target) {
    case "linear":
      return parseLinear(line);
    case "striped":
      return parseStriped(line);
    case "zero":
      if (parameters.length > 0) throw refusedLine(line, "zero takes no arguments");
      return { start, length, target };
    case "error": // whatever is said behind it, as the kernel does
      return { start, length, target };
    default:
      throw refusedLine(line, `there is no target '${target}' for it; there are ${mappedTargets.join(", ")}`);
  }
}

function parseLinear(line: TableLine): MappedSegment {
  const { start, length, parameters } = line;
  if (parameters.length !== 2) throw refusedLine(line, "linear wants DEVICE OFFSET");
  return { start, length, target: "linear", ...parsePlace(line, parameters[0], parameters[1]) };
}

function parseStriped(line: TableLine): MappedSegment {
  const { start, length, parameters } = line;
  const [countText, chunkText, ...places] = parameters;
  if (parameters.length < 2) throw refusedLine(line, "striped wants STRIPES CHUNK, and DEVICE OFFSET for each stripe");
  const count = naturalNumber(countText) ?? 0;
  if (count === 0 || count > mostStripes) throw refusedLine(line, `'${countText}' is no number of stripes`);
  const chunkSectors = naturalNumber(chunkText) ?? 0;
  if (chunkSectors === 0 || chunkSectors > mostChunkSectors) {
    throw refusedLine(line, `'${chunkText}' is no chunk size in sectors`);
  }
  if (length % count !== 0) throw refusedLine(line, "its length is not divisible by the number of stripes");
  if ((length / count) % chunkSectors !== 0) throw refusedLine(line, "its length is not divisible by the chunk size");
  if (places.length !== 2 * count) throw refusedLine(line, `it wants DEVICE OFFSET for each of ${count} stripes`);
  const stripes = Array.from({ length: count }, (_, index) =>
    parsePlace(line, places[2 * index], places[2 * index + 1]),
  );
  return { start, length, target: "striped", chunkSectors, stripes };
}

function parsePlace(line: TableLine, device: string, offsetText: string): DevicePlace {
  const offset = naturalNumber(offsetText);
  if (offset === undefined) throw refusedLine(line, `'${offsetText}' is no sector of ${device}`);
  return { device, offset };
}
