import { parseVolumeTable, type ThinSegment } from "../../block-device/volume-table.ts";
import type { TableSegment } from "../mapped-devices.ts";

/** A volume's table in segments, with what its thin one says behind the target's name; zero and error say nothing. */
export function volumeSegments(table: string, parametersOf: (segment: ThinSegment) => string): TableSegment[] {
  return parseVolumeTable(table).segments.map((segment) => {
    const { start, length, target } = segment;
    return { start, length, target, parameters: segment.target === "thin" ? parametersOf(segment) : "" };
  });
}

/** Segments as the engines read them and dmsetup prints them, a line each. */
export function formatSegments(segments: readonly TableSegment[]): string {
  return segments
    .map(({ start, length, target, parameters }) => `${start} ${length} ${target} ${parameters}`.trim())
    .join("\n");
}

/** `POOL ID [ORIGIN]`, as a thin segment's table has it. */
export function thinParameters(pool: string, { deviceId, externalOrigin }: ThinSegment): string {
  return [pool, deviceId, ...(externalOrigin === undefined ? [] : [externalOrigin])].join(" ");
}
