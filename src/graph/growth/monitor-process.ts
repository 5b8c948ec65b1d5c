import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defaultRunDir } from "../../block-device/pool-paths.ts";
import { packageFile } from "../../linux/package-root.ts";
import { errorCode } from "../../linux/system-error.ts";
import { autogrowPolicy, type AutogrowSettings } from "./autogrow-policy.ts";
import type { GraphContext } from "../graph-context.ts";

/** Of a process that watches a pool and grows it: little memory. */
const nodeFlags = ["--max-semi-space-size=1", "--max-old-space-size=64"];
const endMs = 5000;

/** What the monitor is told about its graph; its only argument, as JSON. The root comes first: it is known by that. */
export interface MonitorStart {
  root: string;
  deviceMapper: GraphContext["mapper"]["kind"];
  storageOptions: string[];
  autogrow: AutogrowSettings;
}

/**
 * Sees to it that a pool that is to grow by itself has its monitor: a process of its own that outlives this one, as dmeventd does for
 * LVM. Costs a system call while there is one, and does not wait for a new one.
 */
export function ensureMonitor(context: GraphContext): void {
  const { root, mapper, options, log, locks } = context;
  if (!context.exclusivePool || locks.monitor() !== "none") return;
  try {
    if (autogrowPolicy(context)?.enabled !== true) return;
    const start: MonitorStart = {
      root,
      deviceMapper: mapper.kind,
      storageOptions: options.overrideUdevSyncCheck ? ["dm.override_udev_sync_check=true"] : [],
      autogrow: context.autogrow,
    };
    startMonitor(context, start);
  } catch (error) {
    log("error", `the pool does not grow by itself: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function startMonitor(context: GraphContext, start: MonitorStart): void {
  const runDir = runDirOf(context);
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const logFd = openSync(logOf(context), "a", 0o600);
  try {
    const child = spawn(process.execPath, [...nodeFlags, packageFile("dist/monitor.js"), JSON.stringify(start)], {
      detached: true,
      stdio: ["ignore", logFd, logFd],
      cwd: "/",
      env: { PATH: process.env["PATH"], MICA_RUN_DIR: runDir },
    });
    child.once("error", (error) => context.log("error", `the pool does not grow by itself: ${error.message}`));
    child.unref();
  } finally {
    closeSync(logFd);
  }
}

/**
 * Ends the pool's monitor, and waits for that; also one that is only just starting, and has no lock yet. Only for who sees to it that
 * it is not at work: alone on the graph, say.
 */
export async function endMonitor(context: GraphContext): Promise<void> {
  let killed = false;
  for (const giveUpAt = performance.now() + endMs; performance.now() < giveUpAt; await sleep(5)) {
    const monitors = monitorsOf(context.root);
    // A process that ends loses its command line before its locks.
    if (monitors.length === 0 && (!killed || context.locks.monitor() === "none")) break;
    killed ||= monitors.length > 0;
    for (const pid of monitors) kill(pid);
  }
  if (context.exclusivePool) rmSync(logOf(context), { force: true });
}

/** Ids of the processes that were started to watch this graph's pool. */
function monitorsOf(root: string): number[] {
  const beginning = `{"root":${JSON.stringify(root)},`; // see `MonitorStart`
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && argumentsOf(name).some((argument) => argument.startsWith(beginning)))
    .map(Number);
}

function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // it has ended
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error;
  }
}

/** Where the monitor says what it did and could not do. */
function logOf(context: GraphContext): string {
  return join(runDirOf(context), `${context.pool}.monitor.log`);
}

function runDirOf({ mapper }: GraphContext): string {
  return mapper.runDir ?? defaultRunDir();
}
