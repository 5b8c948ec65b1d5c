import type { TableSegment } from "../../device-mapper/mapped-devices.ts";
import { DmsetupFailure } from "./dmsetup-failure.ts";

const line = /^\s*([+-]?\d+)(?!\d)\s*([+-]?\d+)(?!\d)\s*(\S+)\s*(.*?)$/;

/**
 * Reads a table, a segment a line; lines that are empty or begin with # are none.
 *
 * @param where what the table is called in errors: "on stdin", a file, or "" for one of the command line
 * @throws DmsetupFailure naming the line
 */
export function parseTable(text: string, where: string): TableSegment[] {
  return text.split("\n").flatMap((words, index) => {
    if (/^\s*(?:#|$)/.test(words)) return [];
    const parts = line.exec(words);
    if (parts === null) throw new DmsetupFailure(`Invalid format on line ${index + 1} of table ${where}.`);
    const [, start, length, target, parameters] = parts;
    return { start: Number(start), length: Number(length), target, parameters };
  });
}

/** A segment as `table` and `status` print it. */
export function segmentLine({ start, length, target, parameters }: TableSegment): string {
  return `${start} ${length} ${target} ${parameters}`;
}
