import { spawn, type ChildProcess } from "node:child_process";
import { text } from "node:stream/consumers";
import type { Readable, Writable } from "node:stream";
import { packageFile } from "../linux/package-root.ts";
import type { Change } from "./change.ts";
import type { DiffRequest } from "./diff-request.ts";
import { LayerError } from "./layer-error.ts";

/**
 * A process that compares two mounted trees. It is started before it is needed, as starting takes about as long as mounting them. For who
 * serves others meanwhile; the functions it runs (`packDiff`, `changes`, `diffSize`) may be called directly elsewhere.
 */
export class DiffProcess {
  readonly #child: ChildProcess;
  readonly #output: Readable;
  readonly #ended: Promise<Error | undefined>;

  constructor() {
    const child = spawn(process.execPath, [packageFile("dist/diff-layer.js")], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    this.#child = child;
    this.#output = child.stdio[1] as Readable;
    let complaint = "";
    (child.stdio[2] as Readable)
      .setEncoding("utf8")
      .on("data", (part: string) => (complaint = (complaint + part).slice(-2000)));
    this.#ended = new Promise((resolve) => {
      child.on("error", (error) => resolve(new LayerError(`Cannot start comparing layers: ${error.message}`)));
      child.on("close", (code, signal) => {
        const end = `the process that does ended with ${signal ?? `status ${code}`}`;
        resolve(code === 0 ? undefined : new LayerError(complaint.trim() || `Cannot compare layers: ${end}`));
      });
    });
  }

  /** A layer's tar. Read it to its end, and then ask `finished`: only that says whether it is whole. */
  pack(request: Omit<DiffRequest, "work">): Readable {
    this.#begin({ ...request, work: "pack" });
    return this.#output;
  }

  /** What differs, ordered by path. @throws LayerError */
  async changes(request: Omit<DiffRequest, "work">): Promise<Change[]> {
    return JSON.parse(await this.#answer({ ...request, work: "changes" })) as Change[];
  }

  /** Bytes of the files that were added or changed. @throws LayerError */
  async size(request: Omit<DiffRequest, "work">): Promise<number> {
    return JSON.parse(await this.#answer({ ...request, work: "size" })) as number;
  }

  /** Resolves when it has ended and its output was read. @throws LayerError when it failed */
  async finished(): Promise<void> {
    const failure = await this.#ended;
    if (failure !== undefined) throw failure;
  }

  /** Ends it if it has not ended, and waits until it has: while it runs, what it compares cannot be unmounted. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGKILL");
    this.#output.destroy(); // unread output would keep it from having ended
    await this.#ended;
  }

  async #answer(request: DiffRequest): Promise<string> {
    this.#begin(request);
    const answer = await text(this.#output);
    await this.finished();
    return answer;
  }

  #begin(request: DiffRequest): void {
    const control = this.#child.stdio[3] as Writable;
    control.on("error", () => undefined); // it ended, and says why
    control.end(JSON.stringify(request));
  }
}
