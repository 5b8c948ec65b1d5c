import { errno } from "../linux/system-error.ts";

/** Executes one control message: its sequence id, its text, and whether it may have been executed before. Never throws. */
export type ControlHandler = (id: string, text: string, delivery: "first" | "again") => string;

/** An open handle of the control file: its answer, once a message was written. */
interface ControlHandle {
  answer: Buffer | undefined;
  /** The whole of it was read. */
  taken: boolean;
}

/**
 * The control file: whoever writes `<sequence id> <text>` to it reads the answer from the same handle.
 *
 * Handles do not survive the engine. A reader whose handle is unknown gets ECONNRESET, opens again and sends the same
 * sequence id: a message that was executed is not executed again, its answer was kept.
 */
export class ControlFile {
  readonly #handles = new Map<string, ControlHandle>();
  readonly #execute: ControlHandler;
  readonly #engine = Date.now() % 0xffffffff;
  #last = 0;

  constructor(execute: ControlHandler) {
    this.#execute = execute;
  }

  /** A new handle, as the two words that the kernel gives back. */
  open(): { low: number; high: number } {
    this.#last++;
    this.#handles.set(`${this.#last}.${this.#engine}`, { answer: undefined, taken: false });
    return { low: this.#last, high: this.#engine };
  }

  release(low: number, high: number): void {
    this.#handles.delete(`${low}.${high}`);
  }

  /** Whether no handle waits for its answer to be read. */
  get idle(): boolean {
    for (const handle of this.#handles.values()) if (handle.answer !== undefined && !handle.taken) return false;
    return true;
  }

  /** Executes a message. A negative error number, or 0. */
  write(low: number, high: number, data: Buffer, delivery: "first" | "again"): number {
    const handle = this.#handles.get(`${low}.${high}`);
    if (handle === undefined) return -errno.ECONNRESET;
    const message = data.toString("utf8");
    const space = message.indexOf(" ");
    if (space <= 0) return -errno.EINVAL;
    const text = message.slice(space + 1).replace(/\n$/, "");
    handle.taken = false;
    handle.answer = Buffer.from(this.#execute(message.slice(0, space), text, delivery), "utf8");
    return 0;
  }

  /** Copies part of the answer; bytes copied, or a negative error number. */
  read(low: number, high: number, target: Buffer, targetOffset: number, offset: number, length: number): number {
    const handle = this.#handles.get(`${low}.${high}`);
    if (handle?.answer === undefined) return -errno.ECONNRESET;
    const copied = handle.answer.copy(target, targetOffset, offset, offset + length);
    if (offset + copied >= handle.answer.length) handle.taken = true;
    return copied;
  }
}
