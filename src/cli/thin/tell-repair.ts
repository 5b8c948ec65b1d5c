import type { RepairReport } from "../../metadata-tools/repair.ts";
import { printError } from "./output.ts";
import type { ToolLine } from "./tool-line.ts";

/** Says on standard error what a repair could not save. */
export function tellRepair({ roots, lost }: RepairReport, line: ToolLine): void {
  if (line.has("quiet")) return;
  if (roots === "found") printError("the superblock does not name sound trees of devices: others were found\n");
  for (const problem of lost) printError(`lost: ${problem}\n`);
}
