import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const startSeconds = 60;
const stopSeconds = 30;

/** How a program is started. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Whether it is up. */
  readonly isReady: () => Promise<boolean>;
}

/** A program that runs beside a test and logs to a file; it may be started again after its end. */
export class BackgroundProgram {
  readonly #name: string;
  readonly #log: string;
  #process: ChildProcess | undefined;

  /** @param name what messages call it */
  constructor(name: string, log: string) {
    this.#name = name;
    this.#log = log;
  }

  get isRunning(): boolean {
    return this.#process !== undefined && !hasEnded(this.#process);
  }

  /** Process id; throws where it does not run. */
  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined || !this.isRunning) throw new Error(`${this.#name} does not run`);
    return pid;
  }

  /** Starts it and waits until it is ready. */
  async start({ program, args, env, isReady }: Launch): Promise<void> {
    const log = openSync(this.#log, "a");
    const child = spawn(program, args, { env, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#process = child;
    const until = Date.now() + startSeconds * 1000;
    while (!(await isReady())) {
      if (hasEnded(child) || Date.now() > until) throw new Error(`${this.#name} did not start:\n${this.log()}`);
      await sleep(20);
    }
  }

  /** Ends it, and waits for that; nothing where it does not run. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#process;
    if (child === undefined || hasEnded(child)) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const late = sleep(stopSeconds * 1000, "late", { ref: false });
    if ((await Promise.race([ended, late])) === "late") throw new Error(`${this.#name} did not end:\n${this.log()}`);
  }

  /** The end of what it logged. */
  log(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, "utf8").split("\n").slice(-40).join("\n") : "";
  }
}

/** Whether somebody listens on a unix socket. */
export function listens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
