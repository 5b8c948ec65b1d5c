import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync } from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../linux/flock.ts";
import { packageFile } from "../linux/package-root.ts";
import { formatPoolTable, parsePoolTable } from "../thin/pool-table.ts";
import { ControlError } from "./control-message.ts";
import { letGo } from "./let-go.ts";
import { makePoolFolders, poolPaths, type PoolPaths } from "./pool-paths.ts";
import { readPoolState } from "./pool-state.ts";
import { isAlive } from "./process-identity.ts";
import { readReport } from "./ready-report.ts";
import { replaceFile } from "./replace-file.ts";
import type { SupervisorMode } from "./supervisor.ts";

const END_MS = 20_000;

/**
 * Starts the processes of a new pool and returns when it serves.
 *
 * @param table the pool's table line
 * @throws ControlError EEXIST, or whatever kept the pool from opening
 */
export async function startPool(runDir: string, name: string, table: string): Promise<void> {
  await startDevice(runDir, name, { kind: "pool", table: formatPoolTable(parsePoolTable(table)) });
}

/** What processes are to be started for. */
export interface NewDevice {
  /** As errors call it. */
  kind: "pool" | "mapped device";
  /** As its engine reads it. */
  table: string;
}

/**
 * Starts the supervisor and the engine of a new device and returns when it serves.
 *
 * @throws ControlError EEXIST, or whatever kept it from opening
 */
export async function startDevice(runDir: string, name: string, { kind, table }: NewDevice): Promise<void> {
  const paths = poolPaths(runDir, name);
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const lock = await lockFile(paths.lock);
  try {
    if (readPoolState(paths) !== undefined)
      throw new ControlError("EEXIST", `Cannot create ${kind} '${name}': it exists`);
    clearStale(paths);
    makePoolFolders(paths);
    replaceFile(paths.table, table);
    await startSupervisor(runDir, paths, "create");
  } finally {
    lock.release();
  }
}

/** What `ensurePool` found and did. */
export type PoolCondition = "running" | "taken over" | "recovered";

/**
 * Sees to it that a pool has a supervisor and an engine: if the supervisor died, another takes its place; if both died,
 * what they left is cleared away and the pool opened again, with the same volumes active.
 *
 * @returns undefined when there is no such pool
 */
export async function ensurePool(runDir: string, name: string): Promise<PoolCondition | undefined> {
  const paths = poolPaths(runDir, name);
  const before = readPoolState(paths);
  if (before === undefined) return undefined;
  if (isAlive(before.supervisor)) return "running";
  const lock = await lockFile(paths.lock);
  try {
    const state = readPoolState(paths);
    if (state === undefined) return undefined;
    if (isAlive(state.supervisor)) return "running";
    if (existsSync(paths.ended) && !isAlive(state.engine)) {
      clearStale(paths);
      return undefined;
    }
    if (isAlive(state.engine)) {
      await startSupervisor(runDir, paths, "takeover");
      return "taken over";
    }
    letGo(paths);
    makePoolFolders(paths);
    await startSupervisor(runDir, paths, "recover");
    return "recovered";
  } finally {
    lock.release();
  }
}

/** Waits until a pool that was shut down is gone, processes, mount and all. */
export async function poolEnded(runDir: string, name: string): Promise<void> {
  const paths = poolPaths(runDir, name);
  const giveUpAt = performance.now() + END_MS;
  const state = readPoolState(paths);
  while (readPoolState(paths) !== undefined || isAlive(state?.supervisor) || isAlive(state?.engine)) {
    if (performance.now() > giveUpAt)
      throw new ControlError("EBUSY", `Cannot end pool '${name}': its processes go on; see ${paths.log}`);
    if (!isAlive(state?.supervisor) && !isAlive(state?.engine)) {
      clearStale(paths);
      return;
    }
    await sleep(2);
  }
}

/** Names of the pools that run, or should: those with a state of this boot. */
export function poolNames(runDir: string): string[] {
  return poolFolders(runDir).filter((name) => readPoolState(poolPaths(runDir, name)) !== undefined);
}

/** Names of the pools that there are folders of: some may have ended. */
export function poolFolders(runDir: string): string[] {
  let names;
  try {
    names = readdirSync(runDir);
  } catch {
    return [];
  }
  // Mapped devices, which are no pools, have a folder of their own that begins with a dot.
  return names.filter((name) => !/^\.|\.lock$|\.log$/.test(name));
}

/** Removes what an earlier boot, or an ended pool, left. */
function clearStale(paths: PoolPaths): void {
  if (!existsSync(paths.folder)) return;
  letGo(paths);
  rmSync(paths.folder, { recursive: true, force: true });
}

async function startSupervisor(runDir: string, paths: PoolPaths, mode: SupervisorMode): Promise<void> {
  const log = openSync(paths.log, "a", 0o600);
  try {
    const child = spawn(
      process.execPath,
      [...supervisorFlags, packageFile("dist/supervisor.js"), runDir, paths.name, mode],
      {
        detached: true,
        stdio: ["ignore", log, log, "pipe"],
        cwd: "/",
        env: { PATH: process.env["PATH"], MICA_RUN_DIR: runDir },
      },
    );
    child.unref();
    const pipe = child.stdio[3] as Readable;
    const report = await readReport(pipe, "supervisor");
    pipe.destroy();
    if ("error" in report) throw new ControlError(report.error.code, report.error.message);
  } finally {
    closeSync(log);
  }
}

const supervisorFlags = ["--max-semi-space-size=1", "--max-old-space-size=128"];
