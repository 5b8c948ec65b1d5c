import { readFileSync } from "node:fs";
import type { TableSegment } from "../../device-mapper/mapped-devices.ts";
import { askOf, type Designation } from "./designate.ts";
import { DmsetupFailure } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";
import { ioctlFailure } from "./ioctl-failure.ts";
import { parseTable } from "./table-text.ts";

const standardInput = 0;

/**
 * The table of a line: of --table, else of a file, else of standard input.
 *
 * @throws DmsetupFailure where it cannot be read
 */
export function tableOnLine(session: Session, file: string | undefined): TableSegment[] {
  const table = session.line.value("table");
  if (table !== undefined) return parseTable(table, "");
  if (file === undefined) return parseTable(readFileSync(standardInput, "utf8"), "on stdin");
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new DmsetupFailure(`Couldn't open '${file}' for reading.`);
  }
  return parseTable(text, file);
}

/** Loads a table into a device's inactive slot. @throws DmsetupFailure */
export async function loadTable(
  session: Session,
  device: Designation,
  table: readonly TableSegment[],
  options: { readOnly: boolean },
): Promise<void> {
  // The device mapper counts further than a table of ours can say, and no device is so long.
  const possible = table.every(({ start, length }) => [start, length].every((n) => n >= 0 && Number.isSafeInteger(n)));
  if (!possible) throw ioctlFailure("reload", device.subject, "EINVAL");
  await askOf(session, "reload", device, (devices, name) => devices.load(name, table, options));
}
