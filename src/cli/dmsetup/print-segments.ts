import type { TableSegment } from "../../device-mapper/mapped-devices.ts";
import { printText } from "../thin/output.ts";
import { printInfo, requireInfo } from "./describe-info.ts";
import { type Designation, designatedOrAll } from "./designate.ts";
import { unmangle } from "./device-text.ts";
import type { Session } from "./dmsetup-verb.ts";
import { segmentLine } from "./table-text.ts";

/** Prints the table or status lines of the devices that the line names: with their names, where they are several. */
export async function printSegments(
  session: Session,
  segmentsOf: (device: Designation) => Promise<TableSegment[]>,
): Promise<void> {
  const { line, mangling, operands } = session;
  const target = line.value("target");
  const verbose = line.has("verbose");
  const { all, devices } = await designatedOrAll(session);
  if (devices.length === 0) printText("No devices found\n");
  const several = all || operands.length > 1;
  for (const device of devices) {
    const segments = await segmentsOf(device);
    const chosen = segments.filter((segment) => target === undefined || segment.target === target);
    if (chosen.length === 0 && target !== undefined) continue;
    const info = verbose || device.name === undefined ? await requireInfo(session, device) : undefined;
    if (info !== undefined && verbose) printInfo(session, info);
    const prefix = several && !verbose ? `${unmangle(device.name ?? "", mangling)}: ` : "";
    const lines = chosen.length === 0 ? [""] : chosen.map(segmentLine);
    printText(lines.map((text) => `${prefix}${text}\n`).join("") + (several && verbose ? "\n" : ""));
  }
}
