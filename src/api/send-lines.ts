import type { ServerResponse } from "node:http";
import { failureOf } from "./api-error.ts";
import type { ShowProgress } from "./call.ts";
import { linesType } from "./json-lines.ts";

/** How often a layer's bytes are told. */
const pauseMs = 50;

/**
 * An answer of JSON lines: `{"progress": …}` on the way, and last `{"result": …}` or `{"error": {"code", "message"}}`. A client that does not
 * keep up is told less on the way.
 */
export class LinesAnswer {
  readonly #response: ServerResponse;
  #begun = false;
  #lastAt = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  readonly progress: ShowProgress = (event) => {
    // What tells of bytes is told again soon.
    const now = performance.now();
    const repeats = "bytes" in event;
    if (repeats && (now - this.#lastAt < pauseMs || this.#response.writableNeedDrain)) return;
    if (repeats) this.#lastAt = now;
    this.#write({ progress: event });
  };

  /** @throws the failure, where nothing was told yet: then the answer may still have its status */
  async end(work: Promise<object>): Promise<void> {
    try {
      this.#write({ result: await work });
    } catch (error) {
      if (!this.#begun) throw error;
      this.#write({ error: failureOf(error).failure });
      throw error;
    } finally {
      if (this.#begun) this.#response.end();
    }
  }

  #write(line: object): void {
    if (this.#response.destroyed) return;
    if (!this.#begun) this.#response.writeHead(200, { "content-type": linesType });
    this.#begun = true;
    this.#response.write(`${JSON.stringify(line)}\n`);
  }
}
