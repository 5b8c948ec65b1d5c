import { closeSync } from "node:fs";
import { isWhole, repairLines, type RepairReport } from "../../metadata-tools/repair/repair-report.ts";
import { openOutputFile } from "./output-file.ts";
import { printError, printText, writeAll } from "./output.ts";
import type { ToolOption } from "./thin-tool.ts";
import type { ToolLine } from "./tool-line.ts";

/** Options of what repairs: where its report goes. */
export const reportOption: ToolOption = {
  long: "report",
  argument: "required",
  value: "FILE",
  help: "Write there, as JSON, which trees were read and what was kept and lost of each device.",
};

/**
 * Says on standard error what a repair did, and what it could not save; as JSON, in the form of `RepairReport`, in the file of `--report`, and on
 * standard output for `--json`.
 */
export function tellRepair(report: RepairReport, line: ToolLine): void {
  const json = `${JSON.stringify({ whole: isWhole(report), ...report }, undefined, 2)}\n`;
  const path = line.value("report");
  if (path !== undefined) {
    const fd = openOutputFile(path);
    try {
      writeAll(fd, Buffer.from(json));
    } finally {
      closeSync(fd);
    }
  }
  if (line.has("json")) printText(json);
  if (line.has("quiet")) return;
  for (const text of repairLines(report)) printError(`${text}\n`);
}
