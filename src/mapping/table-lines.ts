import { MappingError } from "./mapping-error.ts";

/** A line of a device's table, its target's parameters not looked at yet. Sectors have 512 bytes. */
export interface TableLine {
  start: number;
  length: number;
  target: string;
  parameters: string[];
}

/**
 * Reads `START LENGTH TARGET PARAMETERS…`, a line each, empty ones left out.
 *
 * As the kernel's (drivers/md/dm-table.c): the first starts at sector 0, each other where the one before it ends, and none is empty.
 *
 * @throws MappingError EINVAL that names the line
 */
export function parseTableLines(text: string): TableLine[] {
  const lines = text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [parseLine(line)]));
  if (lines.length === 0) throw new MappingError("EINVAL", "Cannot use an empty table: it maps nothing");
  let end = 0;
  for (const line of lines) {
    if (line.start !== end) throw refusedLine(line, `it leaves a gap: it should start at sector ${end}`);
    end = line.start + line.length;
  }
  if (end > Number.MAX_SAFE_INTEGER / 512) throw refusedLine(lines[lines.length - 1], "it ends too far behind");
  return lines;
}

/** A line as tables print it. */
export function formatTableLine({ start, length, target, parameters }: TableLine): string {
  return [start, length, target, ...parameters].join(" ");
}

/** For a line that its target, or what it stands on, does not take. */
export function refusedLine(line: TableLine, why: string, code = "EINVAL", cause?: unknown): MappingError {
  return new MappingError(code, `Cannot use the table line '${formatTableLine(line)}': ${why}`, { cause });
}

/** A number in decimal digits, or undefined. */
export function naturalNumber(text: string | undefined): number | undefined {
  const value = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function parseLine(text: string): TableLine {
  const [start, length, target = "", ...parameters] = text.trim().split(/\s+/);
  const line = { start: naturalNumber(start) ?? NaN, length: naturalNumber(length) ?? NaN, target, parameters };
  if (!Number.isFinite(line.start) || !Number.isFinite(line.length) || target === "") {
    throw new MappingError(
      "EINVAL",
      `Cannot use the table line '${text.trim()}': it wants START LENGTH TARGET, in sectors`,
    );
  }
  if (line.length === 0) throw refusedLine(line, "its length is zero");
  return line;
}
