import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/**
 * A storage system in a process of its own, which does one operation for each line it reads and answers with the nanoseconds that
 * it took: so each system is timed by itself, warm, and the systems can take turns.
 */
export class Agent {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  /** @param command a program of `bench/peers`, or Mica's own */
  constructor(name: string, command: readonly string[]) {
    this.name = name;
    this.#process = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
    this.#answers = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  /** @returns milliseconds inside the system */
  async time(operation: string, ...parameters: string[]): Promise<number> {
    this.#process.stdin!.write(`${[operation, ...parameters].join(" ")}\n`);
    const answer = await this.#answers.next();
    const text = answer.done === true ? "its process has ended" : answer.value;
    if (!/^\d+$/.test(text)) throw new Error(`Cannot ${operation} ${parameters.join(" ")} with ${this.name}: ${text}`);
    return Number(text) / 1e6;
  }

  /** Ends its process. */
  async end(): Promise<void> {
    this.#process.stdin!.end();
    await once(this.#process, "exit");
  }
}
