import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readReport } from "../block-device/ready-report.ts";
import { packageFile } from "../linux/package-root.ts";
import { FrozenPoolError } from "./frozen-pool-error.ts";
import type { PoolFiles } from "./frozen-pool.ts";

/** A device of a stopped pool, and the file system on it. */
export interface FrozenMountOptions extends PoolFiles {
  readonly deviceId: number;
  readonly sizeBytes: number;
  readonly fsType: "ext4" | "xfs";
}

/** A mounted device. */
export interface FrozenMount {
  /** The top of its file system, for as long as it is mounted. */
  readonly path: string;
  /** Unmounts it and takes away all that was made for it. */
  close(): Promise<void>;
}

/** What the keeper process is told, as JSON. */
export interface KeeperTask extends FrozenMountOptions {
  /** An empty folder of its own, which it removes at the end. */
  readonly folder: string;
}

/**
 * Mounts a device of a stopped pool by the kernel, read-only, without the pool being written to: the device is served by a
 * process of our own that keeps what is written, such as a log's replay, in a temporary file.
 *
 * The mounts are in a mount namespace of their own, seen from here through /proc: whatever ends the processes, this one
 * included, also ends the mounts. Needs root, FUSE and loop devices.
 */
export async function mountFrozen(options: FrozenMountOptions): Promise<FrozenMount> {
  const folder = mkdtempSync(join(tmpdir(), "mica-frozen-"));
  const task: KeeperTask = {
    ...options,
    metadataPath: resolve(options.metadataPath),
    dataPath: resolve(options.dataPath),
    folder,
  };
  const program = [process.execPath, packageFile("dist/frozen-device.js"), JSON.stringify(task)];
  // In a session of its own, so that Ctrl-C reaches this process alone, which then closes the mount in order.
  const keeper = spawn("unshare", ["--mount", "--propagation", "private", ...program], {
    stdio: ["pipe", "pipe", "inherit"],
    cwd: "/",
    detached: true,
  });
  const ended = once(keeper, "exit");
  ended.catch(() => undefined);
  const report = await readReport(keeper.stdout, "server of the device");
  if ("ok" in report && keeper.pid !== undefined) {
    return { path: `/proc/${keeper.pid}/root${folder}/root`, close: () => end(keeper, ended) };
  }
  await end(keeper, ended).catch(() => undefined);
  removeIfThere(folder);
  const { code, message } =
    "error" in report ? report.error : { code: "EIO", message: "its process could not be made" };
  throw new FrozenPoolError(code, `Cannot mount thin device ${options.deviceId} (${options.fsType}): ${message}`);
}

/** The keeper ends, in order, when its standard input does. */
async function end(keeper: ChildProcess, ended: Promise<unknown>): Promise<void> {
  keeper.stdin?.end();
  if (keeper.exitCode === null && keeper.signalCode === null) await ended;
}

function removeIfThere(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // The keeper has removed it.
  }
}
