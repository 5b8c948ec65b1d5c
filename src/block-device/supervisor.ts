import { spawn } from "node:child_process";
import { closeSync, openSync, rmSync, writeFileSync, writeSync, existsSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bootId } from "../linux/boot-id.ts";
import { isMounted } from "../linux/mount-table.ts";
import { mount, mountFlags, unmount } from "../linux/mount.ts";
import { packageFile } from "../linux/package-root.ts";
import { pidfdGetfd, pidfdOpen } from "../linux/pidfd.ts";
import { describe } from "./control-message.ts";
import type { EngineMode } from "./engine.ts";
import { fuseMountData } from "./fuse-mount.ts";
import { letGo } from "./let-go.ts";
import type { PoolPaths } from "./pool-paths.ts";
import { readPoolState, writePoolState, type PoolState } from "./pool-state.ts";
import { waitForEnd } from "./process-end.ts";
import { identify, type ProcessIdentity } from "./process-identity.ts";
import { formatReport, readReport, type ReadyReport } from "./ready-report.ts";

/** How a supervisor begins: with a new pool, a pool all of whose processes died, or one whose supervisor died. */
export type SupervisorMode = "create" | "recover" | "takeover";

/** An engine that dies oftener than this is given up: some request, or the pool's state, kills every engine at once. */
const MOST_DEATHS = 50;
const DEATHS_WITHIN_MS = 10_000;

/**
 * Holds the /dev/fuse of a pool, or of a mapped device, while engines come and go.
 *
 * It must never open a file of its own mount: it would wait for an engine that only it can start, and as the holder of
 * the descriptor not even its death would end the wait.
 */
export class Supervisor {
  readonly #runDir: string;
  readonly #paths: PoolPaths;
  #fuseFd = -1;
  #engine: ProcessIdentity | undefined;
  #failure: string | undefined;

  constructor(runDir: string, paths: PoolPaths) {
    this.#runDir = runDir;
    this.#paths = paths;
  }

  /** Starts, reports on `reportFd`, and stays until the pool has ended. */
  async run(mode: SupervisorMode, reportFd: number): Promise<void> {
    let report: ReadyReport;
    try {
      report = mode === "takeover" ? this.#takeOver() : await this.#start(mode);
    } catch (error) {
      report = { error: describe(error) };
    }
    if ("error" in report && mode === "create") this.#cleanUp();
    // What a journal holds is kept for a later try, as a pool whose metadata cannot be opened may be repaired.
    if ("error" in report && mode === "recover") this.#unmount();
    writeSync(reportFd, formatReport(report));
    closeSync(reportFd);
    if ("error" in report) return;
    // An abandoned pool is left to the next client, as one whose processes were killed is: the mount too, by whose path
    // its loop devices are known. With the descriptor, which closes with this process, the kernel ends all requests.
    if ((await this.#watch()) === "ended") this.#cleanUp();
  }

  async #start(mode: "create" | "recover"): Promise<ReadyReport> {
    this.#fuseFd = openFuse();
    const { noSuid, noDev } = mountFlags;
    mount(`mica-${this.#paths.name}`, this.#paths.mount, "fuse", noSuid | noDev, fuseMountData(this.#fuseFd));
    rmSync(this.#paths.ended, { force: true });
    return this.#spawnEngine(mode);
  }

  #takeOver(): ReadyReport {
    const engine = readPoolState(this.#paths)?.engine;
    if (engine === undefined)
      return { error: { code: "ENXIO", message: "Cannot take the mount over: it has no engine" } };
    const pidfd = pidfdOpen(engine.pid);
    try {
      this.#fuseFd = pidfdGetfd(pidfd, 3);
    } finally {
      closeSync(pidfd);
    }
    this.#engine = engine;
    this.#writeState();
    return { ok: true };
  }

  /** Starts an engine; with "create" and "recover" waits for its report. */
  async #spawnEngine(mode: EngineMode): Promise<ReadyReport> {
    const reports = mode === "create" || mode === "recover";
    const child = spawn(
      process.execPath,
      [...engineFlags, packageFile("dist/engine.js"), this.#runDir, this.#paths.name, mode],
      {
        stdio: ["ignore", "inherit", "inherit", this.#fuseFd, reports ? "pipe" : "ignore"],
        cwd: "/",
      },
    );
    if (child.pid === undefined)
      return { error: { code: "EAGAIN", message: "Cannot start the engine: no process could be made" } };
    const pipe = child.stdio[4] as NodeJS.ReadableStream | null;
    const report = reports && pipe !== null ? await readReport(pipe, "engine") : ({ ok: true } as const);
    this.#engine = identify(child.pid) ?? { pid: child.pid, startTime: "gone" };
    if ("ok" in report) this.#writeState();
    return report;
  }

  /** Returns when an engine ended on purpose, or gave its mount up. */
  async #watch(): Promise<"ended" | "abandoned"> {
    const deaths: number[] = [];
    for (;;) {
      if (this.#engine !== undefined) await waitForEnd(this.#engine);
      if (existsSync(this.#paths.ended)) return "ended";
      if (existsSync(this.#paths.abandoned)) {
        rmSync(this.#paths.abandoned);
        return "abandoned";
      }
      if (this.#failure !== undefined) await sleep(1000);
      const now = performance.now();
      deaths.push(now);
      while (deaths.length > 0 && deaths[0] < now - DEATHS_WITHIN_MS) deaths.shift();
      if (deaths.length > MOST_DEATHS)
        this.#failure = `its engine died ${deaths.length} times within ten seconds; see ${this.#paths.log}`;
      console.error(`${new Date().toISOString()} the engine (process ${this.#engine?.pid}) died; starting another`);
      await this.#spawnEngine(this.#failure === undefined ? "resume" : "fail");
    }
  }

  #writeState(): void {
    const supervisor = identify(process.pid) ?? { pid: process.pid, startTime: "0" };
    const { name } = this.#paths;
    const state: PoolState = { name, bootId: bootId(), supervisor, engine: this.#engine, failure: this.#failure };
    writePoolState(this.#paths, state);
  }

  #unmount(): void {
    // Lazily: a program may hold the control file open, or stand in the folder.
    if (isMounted(this.#paths.mount)) unmount(this.#paths.mount, { lazy: true });
    if (this.#fuseFd >= 0) closeSync(this.#fuseFd);
  }

  #cleanUp(): void {
    const { folder, journal } = this.#paths;
    // First: without it the kernel ends what is asked of the mount, and nobody waits for an engine.
    if (this.#fuseFd >= 0) closeSync(this.#fuseFd);
    letGo(this.#paths);
    if (dirname(journal) !== folder) rmSync(dirname(journal), { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Little memory: the engine's data lives in buffers outside the heap. */
const engineFlags = ["--max-semi-space-size=1", "--max-old-space-size=512"];

function openFuse(): number {
  try {
    return openSync("/dev/fuse", "r+");
  } catch (error) {
    const { code } = describe(error);
    const advice =
      code === "EACCES" || code === "EPERM"
        ? "run this as root"
        : "load the fuse module (modprobe fuse), or give the container /dev/fuse";
    throw Object.assign(new Error(`Cannot serve block devices: /dev/fuse cannot be opened (${code}); ${advice}`), {
      code,
    });
  }
}

/** So that neither memory pressure nor a closed terminal ends the supervisor. */
export function outliveLauncher(): void {
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"] as const) process.on(signal, () => undefined);
  try {
    writeFileSync("/proc/self/oom_score_adj", "-1000");
  } catch {
    // Not allowed in every container.
  }
}
