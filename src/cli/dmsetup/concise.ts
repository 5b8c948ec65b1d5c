import { readFileSync } from "node:fs";
import type { TableSegment } from "../../device-mapper/mapped-devices.ts";
import { DmsetupFailure, WrongUsage } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";
import { parseTable } from "./table-text.ts";

const standardInput = 0;

/** A device as the concise format of dmsetup(8) has it. */
export interface ConciseDevice {
  name: string;
  /** "" where it has none. */
  uuid: string;
  minor: number | undefined;
  readOnly: boolean;
  table: TableSegment[] | undefined;
}

/** The devices of `create --concise`: of its operand, else of standard input. @throws DmsetupFailure or WrongUsage */
export function concreteDevices({ operands }: Session): ConciseDevice[] {
  if (operands.length > 1) throw new WrongUsage("Incorrect number of arguments.");
  const text = operands.at(0) ?? readFileSync(standardInput, "utf8");
  return splitUnescaped(text.trimEnd(), ";")
    .filter((entry) => entry.trim() !== "")
    .map(concreteDevice);
}

/** A device in the concise format: the inverse of what `create --concise` reads. */
export function conciseText({ name, uuid, minor, readOnly, table }: ConciseDevice): string {
  const lines = (table ?? []).map((line) => `${line.start} ${line.length} ${line.target} ${line.parameters}`);
  return [name, uuid, minor === undefined ? "" : String(minor), readOnly ? "ro" : "rw", ...lines]
    .map((field) => field.replace(/[\\,;]/g, "\\$&"))
    .join(",");
}

function concreteDevice(entry: string): ConciseDevice {
  const fields = splitUnescaped(entry, ",").map((field) => field.replace(/\\(.)/gs, "$1"));
  const [name, uuid, minor, flags, ...lines] = fields;
  if (lines.length === 0 || lines[0] === "") throw incomplete(fields);
  if (flags !== "" && flags !== "ro" && flags !== "rw") {
    throw new DmsetupFailure(`Invalid flags parameter '${flags}' must be 'ro' or 'rw' or empty.`);
  }
  if (!/^\d{0,7}$/.test(minor)) throw new DmsetupFailure(`Invalid minor number '${minor}'.`);
  return {
    name,
    uuid,
    minor: minor === "" ? undefined : Number(minor),
    readOnly: flags === "ro",
    table: parseTable(lines.join("\n"), "in the specification"),
  };
}

function incomplete(fields: readonly string[]): DmsetupFailure {
  const names = ["name", "uuid", "minor", "flags", "table"];
  const parsed = names.map((name, index) => `${name}: ${fields.at(index) ?? "(null)"}`).join(" ");
  return new DmsetupFailure(
    "Incomplete entry: five comma-separated fields are required for each device\n" +
      `Parsed ${fields.length} fields: ${parsed}`,
  );
}

/** Parts between separators that no backslash stands before; the backslashes stay. */
function splitUnescaped(text: string, separator: string): string[] {
  const parts = [""];
  for (const [piece] of text.matchAll(/\\.|[^\\]|\\$/gs)) {
    if (piece === separator) parts.push("");
    else parts[parts.length - 1] += piece;
  }
  return parts;
}
