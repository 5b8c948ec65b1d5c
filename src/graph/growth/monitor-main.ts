// The monitor process: `monitor.js START`, START being `MonitorStart` as JSON. Its standard error is its log.
import { writeFileSync } from "node:fs";
import { openMonitor } from "./open-monitor.ts";
import type { MonitorStart } from "./monitor-process.ts";

// A closed terminal does not end it; SIGTERM, which shutdown sends, does.
for (const signal of ["SIGHUP", "SIGINT", "SIGPIPE"] as const) process.on(signal, () => undefined);
try {
  // Under memory pressure writes may be waiting for it.
  writeFileSync("/proc/self/oom_score_adj", "-900");
} catch {
  // Not allowed in every container.
}
try {
  await openMonitor(JSON.parse(process.argv[2]) as MonitorStart, (level, message) => {
    if (level !== "debug") console.error(`${new Date().toISOString()} ${level}: ${message}`);
  });
} catch (error) {
  console.error(`${new Date().toISOString()} error: ${error instanceof Error ? error.message : String(error)}`);
}
process.exit(0);
