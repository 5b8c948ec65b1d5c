import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { packageFile } from "../../linux/package-root.ts";
import { errorCode } from "../../linux/system-error.ts";
import { isAlive } from "../process-identity.ts";
import { readReport } from "../ready-report.ts";
import { recordPath, runningExport, type ExportRecord } from "./export-record.ts";
import type { ExportStart } from "./export-start.ts";

const END_MS = 25_000;
/** Of a process that only waits. */
const keeperFlags = ["--max-semi-space-size=1", "--max-old-space-size=64"];

/** An export that could not be started or ended. `code` is a name of errno(3): EBUSY where the device or its socket is in use. */
export class ExportError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "ExportError";
    this.code = code;
  }
}

/**
 * Exports a block device by NBD, and returns when it serves. The export's processes outlive this one, as pools do. What is exported in the same way
 * already stays so.
 * Only one process at a time may start or end the exports of one device.
 *
 * @throws ExportError EBUSY where the device is mounted, claimed, or exported in another way; EADDRINUSE and others of the socket
 */
export async function startExport(start: ExportStart): Promise<void> {
  const running = runningExport(start.folder, start.device);
  const outlived = running !== undefined && running.blockDevice !== start.blockDevice;
  // Its pool was opened again: it is about to see that its block device is gone.
  if (outlived) await endKeeper(running);
  if (running === undefined || outlived) {
    mkdirSync(start.folder, { recursive: true, mode: 0o700 });
    await startKeeper(start);
  } else if (!isSame(running, start)) {
    const how = `${running.access}, on '${running.socket}'`;
    throw new ExportError("EBUSY", `Cannot export '${start.name}': it is exported already, ${how}. Detach it first`);
  }
}

/**
 * Ends a device's export, once what its clients asked for is done. Only one process at a time may start or end the exports of one device.
 *
 * @returns false when there was none
 */
export async function endExport(folder: string, device: string): Promise<boolean> {
  const running = runningExport(folder, device);
  if (running === undefined) return false;
  await endKeeper(running);
  rmSync(recordPath(folder, device), { force: true });
  return true;
}

async function startKeeper(start: ExportStart): Promise<void> {
  const log = openSync(join(start.folder, "exports.log"), "a", 0o600);
  try {
    const child = spawn(process.execPath, [...keeperFlags, packageFile("dist/nbd-export.js"), JSON.stringify(start)], {
      detached: true,
      stdio: ["ignore", log, log, "pipe"],
      cwd: "/",
      env: { PATH: process.env["PATH"] },
    });
    child.unref();
    const pipe = child.stdio[3] as Readable;
    const report = await readReport(pipe, "NBD server");
    pipe.destroy();
    if ("ok" in report) return;
    const { code, message } = report.error;
    if (code === "EBUSY") {
      const why = `${start.blockDevice} is mounted, or something else has claimed it. Unmount it, or end that`;
      throw new ExportError(code, `Cannot export '${start.name}': ${why}`);
    }
    throw new ExportError(code, `Cannot export '${start.name}': ${message}`);
  } finally {
    closeSync(log);
  }
}

async function endKeeper({ keeper, name, folder }: ExportRecord): Promise<void> {
  try {
    process.kill(keeper.pid, "SIGTERM");
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error;
  }
  for (const giveUpAt = performance.now() + END_MS; isAlive(keeper); await sleep(2)) {
    if (performance.now() < giveUpAt) continue;
    const where = `see ${join(folder, "exports.log")}`;
    throw new ExportError("EBUSY", `Cannot end the export of '${name}': process ${keeper.pid} goes on; ${where}`);
  }
}

function isSame(one: ExportStart, other: ExportStart): boolean {
  return (["socket", "access", "claim", "name"] as const).every((key) => one[key] === other[key]);
}
