import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { poolPaths } from "../src/block-device/pool-paths.ts";
import { readPoolState } from "../src/block-device/pool-state.ts";
import { BackgroundProgram, listens } from "./background-program.ts";
import { micaCommand, outcomeOf, type Outcome } from "./cli-support.ts";

/** `mica daemon` on a graph of its own, which it serves on one socket or several. */
export class MicaDaemon {
  readonly root: string;
  readonly runFolder: string;
  readonly #program: BackgroundProgram;
  readonly #arguments: readonly string[];
  readonly #sockets: readonly string[];

  /**
   * @param folder what it keeps goes below it; absolute
   * @param services `--docker-plugin`, … and the path of each one's socket
   * @param storageOptions `dm.KEY=VALUE`, for a graph that is to be made
   */
  constructor(folder: string, services: Readonly<Record<string, string>>, storageOptions: readonly string[]) {
    this.root = join(folder, "graph");
    this.runFolder = join(folder, "run");
    this.#program = new BackgroundProgram("mica daemon", join(folder, "daemon.log"));
    this.#sockets = Object.values(services);
    this.#arguments = [
      ...storageOptions.flatMap((option) => ["--storage-opt", option]),
      ...["daemon", ...Object.entries(services).flat()],
    ];
  }

  /** Starts it and waits until all its sockets answer. */
  async start(): Promise<void> {
    mkdirSync(this.runFolder, { recursive: true });
    await this.#program.start({
      program: process.execPath,
      args: [micaCommand, ...this.#arguments],
      env: this.#environment(),
      isReady: async () => (await Promise.all(this.#sockets.map(listens))).every(Boolean),
    });
  }

  /** Ends it as systemd would. */
  async stop(): Promise<void> {
    await this.#program.end("SIGTERM");
  }

  /** Its sudden death. */
  async kill(): Promise<void> {
    await this.#program.end("SIGKILL");
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** The sudden death of the process that serves its pool's devices; the pool's supervisor starts another. */
  killEngine(): void {
    process.kill(this.enginePid(), "SIGKILL");
  }

  /** The process that serves the pool's devices. */
  enginePid(): number {
    for (const pool of readdirSync(this.runFolder)) {
      const pid = readPoolState(poolPaths(this.runFolder, pool))?.engine?.pid;
      if (pid !== undefined) return pid;
    }
    throw new Error(`Cannot find an engine in ${this.runFolder}`);
  }

  /** Runs `mica ARGS` on its graph. */
  mica(...args: string[]): Promise<Outcome> {
    return outcomeOf(spawn(process.execPath, [micaCommand, ...args], { env: this.#environment() }));
  }

  /** Ends it and stops the graph's pool, whatever state they are in. */
  async shutdown(): Promise<Outcome | undefined> {
    await this.stop().catch(() => this.kill());
    return existsSync(this.root) ? this.mica("shutdown") : undefined;
  }

  /** The end of what it logged. */
  log(): string {
    return this.#program.log();
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, MICA_ROOT: this.root, MICA_RUN_DIR: this.runFolder };
  }
}
