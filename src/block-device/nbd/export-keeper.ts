import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, rmSync } from "node:fs";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { bootId } from "../../linux/boot-id.ts";
import { packageFile } from "../../linux/package-root.ts";
import { placePrivateSocket, type PrivateSocket } from "../../linux/private-socket.ts";
import { listenUnix } from "../../linux/unix-socket.ts";
import { describe } from "../control-message.ts";
import { identify } from "../process-identity.ts";
import { readReport, type ReadyReport } from "../ready-report.ts";
import { recordExport, recordPath } from "./export-record.ts";
import type { ExportStart } from "./export-start.ts";

/** Clients that may wait to be accepted. */
const BACKLOG = 64;
/** A server that dies oftener than this is given up: some request kills every server at once. */
const MOST_DEATHS = 50;
const DEATHS_WITHIN_MS = 10_000;
/** How long a server may take to finish what it has begun. */
const END_MS = 20_000;
/** Little memory: data lies in buffers outside the heap. */
const serverFlags = ["--max-semi-space-size=1", "--max-old-space-size=128"];

/**
 * Keeps an export: holds its socket while servers come and go. Should a server die, clients that connect again find the next one, and wait meanwhile.
 */
export class ExportKeeper {
  readonly #start: ExportStart;
  #listener = -1;
  #socket: PrivateSocket | undefined;
  #server: ChildProcess | undefined;
  #ending = false;

  constructor(start: ExportStart) {
    this.#start = start;
  }

  /** Starts. @returns what is to be reported: whether the export serves */
  async begin(): Promise<ReadyReport> {
    try {
      this.#socket = await placePrivateSocket(this.#start.socket, (path) => {
        this.#listener = listenUnix(path, BACKLOG);
        return Promise.resolve();
      });
      const report = await this.#spawnServer();
      if ("ok" in report) this.#record();
      else this.#cleanUp();
      return report;
    } catch (error) {
      this.#cleanUp();
      return { error: describe(error) };
    }
  }

  /** Has the server finish what it has begun, and end. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    const server = this.#server;
    if (server === undefined) return;
    keeperPipe(server).destroy();
    setTimeout(() => server.kill("SIGKILL"), END_MS).unref();
  }

  /** Returns when the export has ended. */
  async keep(): Promise<void> {
    const deaths: number[] = [];
    // 0: it was asked to end, the device is gone, or it could not be opened, which it has reported.
    while ((await this.#serverEnded()) !== 0 && !this.#ending) {
      const now = performance.now();
      deaths.push(now);
      while (deaths[0] < now - DEATHS_WITHIN_MS) deaths.shift();
      if (deaths.length > MOST_DEATHS) {
        log(`the server died ${deaths.length} times in ten seconds: given up`);
        break;
      }
      log(`the server (process ${this.#server?.pid}) died; starting another`);
      const report = await this.#spawnServer();
      if ("error" in report) log(report.error.message);
    }
    this.#cleanUp();
  }

  /** @returns its exit status, null when a signal ended it */
  async #serverEnded(): Promise<number | null> {
    const server = this.#server;
    if (server === undefined) return 0;
    if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
    return server.exitCode;
  }

  async #spawnServer(): Promise<ReadyReport> {
    const server = spawn(
      process.execPath,
      [...serverFlags, packageFile("dist/nbd-server.js"), JSON.stringify(this.#start)],
      { stdio: ["ignore", "inherit", "inherit", this.#listener, "pipe"], cwd: "/" },
    );
    this.#server = server;
    if (server.pid === undefined) {
      return { error: { code: "EAGAIN", message: "Cannot start the NBD server: no process could be made" } };
    }
    if (this.#ending) keeperPipe(server).destroy();
    const report = await readReport(keeperPipe(server), "NBD server");
    // Asked to end while it started.
    return this.#ending ? { ok: true } : report;
  }

  #record(): void {
    const keeper = identify(process.pid) ?? { pid: process.pid, startTime: "0" };
    recordExport({ ...this.#start, keeper, bootId: bootId() });
  }

  #cleanUp(): void {
    this.#socket?.remove();
    if (this.#listener >= 0) closeSync(this.#listener);
    rmSync(recordPath(this.#start.folder, this.#start.device), { force: true });
  }
}

/** Into the log file, which the process has as standard error. */
function log(message: string): void {
  console.error(`${new Date().toISOString()} ${message}`);
}

function keeperPipe(server: ChildProcess): Duplex {
  const pipe = server.stdio[4] as unknown as Duplex;
  // A server that has gone closes it as it likes.
  if (pipe.listenerCount("error") === 0) pipe.on("error", () => undefined);
  return pipe;
}
