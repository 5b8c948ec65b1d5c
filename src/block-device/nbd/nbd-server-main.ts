// The process that serves an export: `nbd-server.js START`, START being `ExportStart` as JSON. Descriptor 3 is the listening socket; descriptor 4 is
// the keeper's: it reads the ready report there, and closes it when the export is to end.
import { writeFileSync, writeSync } from "node:fs";
import { formatReport } from "../ready-report.ts";
import { describe } from "../control-message.ts";
import type { ExportStart } from "./export-start.ts";
import { ExportedDevice } from "./exported-device.ts";
import { NbdServer } from "./nbd-server.ts";

const LISTENER = 3;
const KEEPER = 4;

const start = JSON.parse(process.argv[2]) as ExportStart;
// The thread never returns to the event loop, so these handlers only keep the signals from ending the process.
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"] as const) process.on(signal, () => undefined);
try {
  // Under memory pressure writes may be waiting for it.
  writeFileSync("/proc/self/oom_score_adj", "-900");
} catch {
  // Not allowed in every container.
}

let device: ExportedDevice;
let server: NbdServer;
try {
  device = new ExportedDevice(start.blockDevice, start);
  const { name, access, blockSizeBytes } = start;
  const { sizeBytes, hasHoles } = device;
  server = new NbdServer({
    device,
    exported: { name, sizeBytes, access, fastZeroes: hasHoles, blockSizeBytes },
    listenerFd: LISTENER,
    keeperFd: KEEPER,
  });
} catch (error) {
  writeSync(KEEPER, formatReport({ error: describe(error) }));
  process.exit(0);
}
writeSync(KEEPER, formatReport({ ok: true }));
if (server.run() === "device gone") console.error(`${new Date().toISOString()} ${start.blockDevice} is gone`);
device.close();
process.exit(0);
