import { close, existsSync, open, readSync, write } from "node:fs";
import { promisify } from "node:util";
import { randomUUID } from "node:crypto";
import { errorCode } from "../linux/system-error.ts";
import { type BatchAnswer, ControlError, type ControlAnswer, mostMessageBytes } from "./control-message.ts";
import { batchPieces } from "./batch-pieces.ts";
import { poolPaths } from "./pool-paths.ts";
import { ensurePool, poolEnded } from "./pool-process.ts";
import { readPoolState } from "./pool-state.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";

const closeFile = promisify(close);
const openFile = promisify(open);
const writeFile = promisify(write);

const ANSWER_BYTES = 64 << 10;
const ATTEMPTS = 20;
/** As many messages are written at once as libuv has threads; what a burst of requests opened beyond that is closed after it. */
const MOST_IDLE = 4;

/** An open control file that nobody uses at the moment. */
interface Connection {
  fd: number;
  buffer: Buffer;
}

/** What a dead mount, or another engine than the one that was asked, answers: the same message can be sent again. */
const again = new Set(["ECONNRESET", "ENOTCONN", "ECONNABORTED", "ENODEV", "ENOENT", "EIO", "EINTR"]);

/**
 * Sends messages to pools. Every message has an id of its own, so that one whose answer was lost is sent again without
 * being executed again.
 */
export class ControlClient {
  readonly #runDir: string;
  readonly #idle = new Map<string, Connection[]>();
  readonly #sender = randomUUID();
  #sent = 0;
  /** The supervisors that were alive when last seen: asking whether one still is costs little. */
  readonly #supervisors = new Map<string, ProcessIdentity>();
  /** Told when a pool had to be opened again, so that its volumes have no loop devices. */
  onRecovered: (pool: string) => Promise<void> = () => Promise.resolve();

  constructor(runDir: string) {
    this.#runDir = runDir;
  }

  /**
   * Sends one message and returns its answer.
   *
   * @throws ControlError what the engine answered; ENXIO when there is no such pool
   */
  async send(pool: string, text: string): Promise<string> {
    const message = Buffer.from(`${this.#sender}.${++this.#sent} ${text}`, "utf8");
    if (message.length > mostMessageBytes) {
      throw new ControlError(
        "EINVAL",
        `Cannot send a message of ${message.length} bytes: ${mostMessageBytes} is the most`,
      );
    }
    for (let attempt = 1; ; attempt++) {
      if (!(await this.ensure(pool))) throw new ControlError("ENXIO", `Cannot find pool '${pool}': it does not run`);
      try {
        const answer = JSON.parse(await this.#exchange(pool, message)) as ControlAnswer;
        if ("error" in answer) throw new ControlError(answer.error.code, answer.error.message);
        return answer.answer;
      } catch (error) {
        if (error instanceof ControlError || !again.has(errorCode(error) ?? "") || attempt === ATTEMPTS) throw error;
        this.#supervisors.delete(pool);
        // It was to go with its last volume, and is going.
        if (existsSync(poolPaths(this.#runDir, pool).ended)) await poolEnded(this.#runDir, pool);
      }
    }
  }

  /**
   * Sends many messages of a pool's, which are carried out in order, up to the first that fails. They go in pieces that an engine has done in a moment, as
   * it does nothing else meanwhile. Each piece is committed as a whole; one that an engine died over goes on where it was.
   *
   * @throws ControlError its `done` says how many were carried out and are kept
   */
  async sendBatch(pool: string, messages: readonly string[]): Promise<void> {
    let done = 0;
    for (const piece of batchPieces(messages)) {
      try {
        const answer = JSON.parse(await this.send(pool, ["batch", ...piece, ""].join("\n"))) as BatchAnswer;
        done += answer.done;
        if (answer.error !== undefined) throw new ControlError(answer.error.code, answer.error.message);
      } catch (error) {
        throw error instanceof ControlError ? new ControlError(error.code, error.message, { done }) : error;
      }
    }
  }

  /** Sees to it that a pool has its processes; false when there is no such pool. */
  async ensure(pool: string): Promise<boolean> {
    if (isAlive(this.#supervisors.get(pool))) return true;
    this.#supervisors.delete(pool);
    const condition = await ensurePool(this.#runDir, pool);
    if (condition === undefined) return false;
    const supervisor = readPoolState(poolPaths(this.#runDir, pool))?.supervisor;
    if (supervisor !== undefined) this.#supervisors.set(pool, supervisor);
    if (condition === "recovered") await this.onRecovered(pool);
    return true;
  }

  /** Closes all connections. They do not keep a pool from ending, but a long-lived process need not hold them. */
  async close(): Promise<void> {
    const connections = [...this.#idle.values()].flat();
    this.#idle.clear();
    await Promise.all(connections.map(({ fd }) => closeFile(fd)));
  }

  async #exchange(pool: string, message: Buffer): Promise<string> {
    const idle = this.#idle.get(pool) ?? [];
    this.#idle.set(pool, idle);
    const connection = idle.pop() ?? {
      fd: await openFile(poolPaths(this.#runDir, pool).control, "r+"),
      buffer: Buffer.alloc(ANSWER_BYTES),
    };
    let answer;
    try {
      await writeFile(connection.fd, message, 0, message.length, 0);
      answer = readAll(connection);
    } catch (error) {
      await closeFile(connection.fd).catch(() => undefined);
      throw error;
    }
    if (idle.length < MOST_IDLE) idle.push(connection);
    else await closeFile(connection.fd);
    return answer;
  }
}

/** Synchronously: the message was executed when its write returned, and the answer lies ready. */
function readAll({ fd, buffer }: Connection): string {
  const first = readSync(fd, buffer, 0, buffer.length, 0);
  if (first < buffer.length) return buffer.toString("utf8", 0, first);
  const parts = [Buffer.from(buffer)];
  for (let position = buffer.length; ;) {
    const bytesRead = readSync(fd, buffer, 0, buffer.length, position);
    parts.push(Buffer.from(buffer.subarray(0, bytesRead)));
    position += bytesRead;
    if (bytesRead < buffer.length) return Buffer.concat(parts).toString("utf8");
  }
}
