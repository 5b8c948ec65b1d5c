import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { call } from "../linux/libc.ts";
import { parsePoolTable, type ThinPoolTable } from "../thin/pool-table.ts";
import { Pool } from "../thin/pool.ts";
import { claimDevice } from "./claim-device.ts";
import { ControlFile } from "./control-file.ts";
import { ExportedFiles } from "./exported-files.ts";
import { FailedService } from "./failed-service.ts";
import { FuseChannel } from "./fuse-channel.ts";
import { FuseServer, type Schedule } from "./fuse-server.ts";
import type { PoolPaths } from "./pool-paths.ts";
import { describe, PoolService } from "./pool-service.ts";
import { formatReport } from "./ready-report.ts";

/** How an engine begins. */
export type EngineMode =
  /** A new pool: whatever a journal says is active is not. Failure is reported, and ends it. */
  | "create"
  /** After all processes of a pool died: volumes become active again. Failure is reported, and ends it. */
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

/** Runs a pool's engine until it is shut down or unmounted. */
export function runEngine(start: EngineStart): void {
  const { paths, mode } = start;
  protect();
  const table = parsePoolTable(readFileSync(paths.table, "utf8"));
  let pool: Pool | undefined;
  let failure = "its engine died too often";
  try {
    if (mode !== "fail") {
      claimDevice(table.metadataDevice);
      claimDevice(table.dataDevice);
      pool = Pool.open(poolOptions(paths, table));
    }
  } catch (error) {
    failure = describe(error).message;
    if (mode !== "resume") {
      report(start, formatReport({ error: describe(error) }));
      throw error;
    }
    console.error(`The pool cannot be opened: ${failure}`);
  }
  if (serve(start, table, pool, failure) === "ended") writeFileSync(paths.ended, "");
}

/**
 * Serves until the pool ends. "abandoned": requests that the last engine had read and not answered would never be
 * answered, and whoever waits for them would wait for ever; with the mount they end in errors, and the journal keeps
 * what was acknowledged for the pool's next start.
 */
function serve(
  start: EngineStart,
  table: ThinPoolTable,
  pool: Pool | undefined,
  failure: string,
): "ended" | "abandoned" {
  const { paths, mode } = start;
  const channel = new FuseChannel(start.fuseFd);
  const files = new ExportedFiles();
  const hooks = { retryHeld: () => server.retryHeld(), stop: () => server.stop() };
  const service = pool === undefined ? new FailedService(failure, hooks) : new PoolService(pool, paths, files, hooks);
  if (mode === "create") service.forgetActive();
  else service.exportActive();
  const control = new ControlFile((id, text, delivery) => service.execute(id, text, delivery));
  const server: FuseServer = new FuseServer({
    channel,
    files,
    control,
    schedule: pool ?? nothingDue,
    blockSizeBytes: table.blockSizeSectors * 512,
    onLastClose: (file) => service.lastClose(file),
  });
  if ((mode === "resume" || mode === "fail") && !channel.requestResend()) {
    console.error("This kernel cannot resend requests (Linux 6.9 can): the pool is opened again, its devices too");
    pool?.abandon();
    writeFileSync(paths.abandoned, "");
    return "abandoned";
  }
  report(start, formatReport({ ok: true }));
  if (server.run() === "unmounted") pool?.close();
  return "ended";
}

const nothingDue: Schedule = { nextDeadlineMs: () => Infinity, tick: () => undefined, retryGeneration: 0 };

function poolOptions(paths: PoolPaths, table: ThinPoolTable) {
  const { metadataDevice: metadataPath, dataDevice: dataPath } = table;
  return { metadataPath, dataPath, table, journalPath: paths.journal, log };
}

/** Into the pool's log file, which its processes have as standard error. */
function log(level: string, message: string): void {
  console.error(`${new Date().toISOString()} ${level}: ${message}`);
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
