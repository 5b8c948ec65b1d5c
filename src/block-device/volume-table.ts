import { sectorsOf } from "../mapping/mapped-table.ts";
import { formatTableLine, parseTableLines, refusedLine, type TableLine } from "../mapping/table-lines.ts";
import { parseThinParameters, type ThinParameters } from "./thin-parameters.ts";

/** A range of a volume that a thin device is behind, from the device's own sector 0 on. */
export type ThinSegment = { start: number; length: number; target: "thin" } & ThinParameters;

/** A segment of a volume's table. */
export type VolumeSegment = ThinSegment | { start: number; length: number; target: "zero" | "error" };

/** A volume's table: contiguous segments from sector 0, of which one at most is thin. */
export interface VolumeTable {
  segments: VolumeSegment[];
  thin: ThinSegment | undefined;
  sectors: number;
}

/**
 * Reads the table of a volume of a pool, a line a segment. The pool that a thin segment names is left to who asks.
 *
 * @throws MappingError EINVAL that names the line at fault
 */
export function parseVolumeTable(text: string): VolumeTable {
  const segments = parseTableLines(text).map(parseSegment);
  const thin = segments.filter((segment) => segment.target === "thin");
  if (thin.length > 1) {
    const why = `it has two thin segments, of devices ${thin[0].deviceId} and ${thin[1].deviceId}; a volume has one at most`;
    throw refusedLine(lineOf(thin[1]), why);
  }
  return { segments, thin: thin.at(0), sectors: sectorsOf(segments) };
}

/** The inverse of `parseVolumeTable`. */
export function formatVolumeTable({ segments }: Pick<VolumeTable, "segments">): string {
  return segments.map((segment) => formatTableLine(lineOf(segment))).join("\n");
}

/** The table of a volume that is a thin device from end to end. */
export function wholeThinTable(sectors: number, parameters: ThinParameters): VolumeTable {
  // Last, as the parameters may be another segment's.
  const thin: ThinSegment = { ...parameters, start: 0, length: sectors, target: "thin" };
  return { segments: [thin], thin, sectors };
}

function parseSegment(line: TableLine): VolumeSegment {
  const { start, length, target, parameters } = line;
  if (target === "thin") {
    return { start, length, target, ...parseThinParameters(parameters, (why) => refusedLine(line, why)) };
  }
  if (target !== "zero" && target !== "error") {
    throw refusedLine(line, `a pool's volume has thin, zero and error segments, no '${target}'`);
  }
  return { start, length, target };
}

function lineOf(segment: VolumeSegment): TableLine {
  const { start, length, target } = segment;
  if (target !== "thin") return { start, length, target, parameters: [] };
  const { pool, deviceId, externalOrigin } = segment;
  const origin = externalOrigin === undefined ? [] : [externalOrigin];
  return { start, length, target, parameters: [pool, String(deviceId), ...origin] };
}
