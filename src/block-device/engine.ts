import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { call } from "../linux/libc.ts";
import { ControlFile } from "./control-file.ts";
import { describe } from "./control-message.ts";
import { type EngineDevice, nothingDue } from "./engine-device.ts";
import { ExportedFiles } from "./exported-files.ts";
import { FailedService } from "./failed-service.ts";
import { FuseChannel } from "./fuse-channel.ts";
import { FuseServer } from "./fuse-server.ts";
import { openMappedDevice } from "./mapped/mapped-device.ts";
import { isPoolTable } from "./mapped/stands-on.ts";
import { openPoolDevice } from "./pool-device.ts";
import type { PoolPaths } from "./pool-paths.ts";
import { formatReport } from "./ready-report.ts";

/** How an engine begins. */
export type EngineMode =
  /** A new device: whatever a journal says is active is not. Failure is reported, and ends it. */
  | "create"
  /** After all processes died: volumes become active again. Failure is reported, and ends it. */
  | "recover"
  /** After an engine that died, on its mount. Failure is served as I/O errors: the mount must stay. */
  | "resume"
  /** Not even tries, after too many deaths. */
  | "fail";

/** What the engine's parent gave it. */
export interface EngineStart {
  paths: PoolPaths;
  mode: EngineMode;
  /** The open /dev/fuse, whose mount is made. */
  fuseFd: number;
  /** The pipe for the ready report, if the parent reads one. */
  reportFd: number | undefined;
}

const PR_SET_IO_FLUSHER = 57;
/** Of a mount without volumes. */
const pageBytes = 4096;

/** Runs an engine until what it serves is shut down or unmounted. */
export function runEngine(start: EngineStart): void {
  const { paths, mode } = start;
  protect();
  let device: EngineDevice | undefined;
  let failure = "its engine died too often";
  try {
    if (mode !== "fail") device = openDevice(paths, mode);
  } catch (error) {
    failure = describe(error).message;
    if (mode !== "resume") {
      report(start, formatReport({ error: describe(error) }));
      throw error;
    }
    console.error(`'${paths.name}' cannot be opened: ${failure}`);
  }
  if (serve(start, device, failure) === "ended") writeFileSync(paths.ended, "");
}

function openDevice(paths: PoolPaths, mode: EngineMode): EngineDevice {
  const table = readFileSync(paths.table, "utf8");
  if (isPoolTable(table)) return openPoolDevice(paths, table);
  return openMappedDevice(paths, table, mode === "resume" ? "fail its I/O" : "throw");
}

/**
 * Serves until the device ends. "abandoned": requests that the last engine had read and not answered would never be
 * answered, and whoever waits for them would wait for ever; with the mount they end in errors, and a pool's journal keeps
 * what was acknowledged for its next start.
 */
function serve(start: EngineStart, device: EngineDevice | undefined, failure: string): "ended" | "abandoned" {
  const { paths, mode } = start;
  const channel = new FuseChannel(start.fuseFd);
  const files = new ExportedFiles();
  const hooks = { retryHeld: () => server.retryHeld(), stop: () => server.stop() };
  const service = device === undefined ? new FailedService(failure, hooks) : device.service(files, hooks);
  if (mode === "create") service.forgetActive();
  else service.exportActive();
  const control = new ControlFile((id, text, delivery) => service.execute(id, text, delivery));
  const server: FuseServer = new FuseServer({
    channel,
    files,
    control,
    schedule: device?.schedule ?? nothingDue,
    blockSizeBytes: device?.blockSizeBytes ?? pageBytes,
    onLastClose: (file) => service.lastClose(file),
  });
  if ((mode === "resume" || mode === "fail") && !channel.requestResend()) {
    console.error("This kernel cannot resend requests (Linux 6.9 can): everything is opened again, its devices too");
    device?.abandon();
    writeFileSync(paths.abandoned, "");
    return "abandoned";
  }
  report(start, formatReport({ ok: true }));
  if (server.run() === "unmounted") device?.close();
  return "ended";
}

function report(start: EngineStart, line: string): void {
  if (start.reportFd !== undefined) writeSync(start.reportFd, line);
}

/** Memory reclaim must not wait for the process that reclaim's own writes go through. Best effort: needs capabilities. */
function protect(): void {
  try {
    call(
      { syscall: "become an I/O flusher" },
      "int prctl(int, ulong, ulong, ulong, ulong)",
      PR_SET_IO_FLUSHER,
      1,
      0,
      0,
      0,
    );
  } catch {
    // An older kernel, or a container: it works without, except under the worst memory pressure.
  }
  try {
    writeFileSync("/proc/self/oom_score_adj", "-900");
  } catch {
    // As above.
  }
}
