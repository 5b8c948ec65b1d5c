import { repairLines, type RepairReport } from "../../metadata-tools/repair/repair-report.ts";
import { printError } from "./output.ts";
import type { ToolLine } from "./tool-line.ts";

/** Says on standard error what a repair did, and what it could not save. */
export function tellRepair(report: RepairReport, line: ToolLine): void {
  if (line.has("quiet")) return;
  for (const text of repairLines(report)) printError(`${text}\n`);
}
