// The process that keeps an export: `nbd-export.js START`, START being `ExportStart` as JSON; descriptor 3 is the pipe for the ready report.
// SIGTERM ends the export.
import { closeSync, writeFileSync, writeSync } from "node:fs";
import { formatReport } from "../ready-report.ts";
import { ExportKeeper } from "./export-keeper.ts";
import type { ExportStart } from "./export-start.ts";

const REPORT = 3;

for (const signal of ["SIGHUP", "SIGINT", "SIGPIPE"] as const) process.on(signal, () => undefined);
try {
  writeFileSync("/proc/self/oom_score_adj", "-900");
} catch {
  // Not allowed in every container.
}
const keeper = new ExportKeeper(JSON.parse(process.argv[2]) as ExportStart);
process.on("SIGTERM", () => keeper.end());
const report = await keeper.begin();
writeSync(REPORT, formatReport(report));
closeSync(REPORT);
if ("ok" in report) await keeper.keep();
process.exit(0);
