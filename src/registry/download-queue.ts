import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { namelessFile } from "../linux/nameless-file.ts";

const READ_BYTES = 1 << 20;

/** Starts a download, which ends when the signal is aborted. */
export type StartDownload = (signal: AbortSignal) => AsyncGenerator<Buffer, void, undefined>;

/** How far ahead of its readers a queue may be. */
export interface QueueLimits {
  /** For files named `<process id>-…` while they are being made; then they have no name, so that nothing is left of them. */
  folder: string;
  /** Downloads at once, that which is being read among them. */
  parallel: number;
  /** Bytes kept in files at once; the download that is being read is never held up by it. */
  spoolBytes: number;
}

interface Download {
  start: StartDownload;
  stop: AbortController;
  state: "waiting" | "begun" | "over";
  /** Being read: what comes from now on goes straight to the reader. */
  taken: boolean;
  chunks: AsyncGenerator<Buffer, void, undefined> | undefined;
  file: FileHandle | undefined;
  bytes: number;
  /** Settled once nothing more is written to the file; never rejects. */
  spooling: Promise<void>;
  ended: boolean;
  failure: { error: unknown } | undefined;
}

/**
 * Downloads that are read one after the other, and go on beside: the one that is read comes straight from the network, the next ones
 * are written to files meanwhile.
 */
export class DownloadQueue {
  readonly #downloads: Download[];
  readonly #limits: QueueLimits;
  #running = 0;
  #spooled = 0;
  #wake: (() => void)[] = [];
  #closed = false;

  /**
   * Begins the first ones.
   *
   * @param first those before this one are only downloaded when they are read
   */
  constructor(downloads: readonly StartDownload[], first: number, limits: QueueLimits) {
    this.#limits = limits;
    this.#downloads = downloads.map((start, index) => ({
      start,
      stop: new AbortController(),
      state: "waiting",
      taken: index < first,
      chunks: undefined,
      file: undefined,
      bytes: 0,
      spooling: Promise.resolve(),
      ended: false,
      failure: undefined,
    }));
    this.#fill();
  }

  /** Reads a download; a second time, it is downloaded again. */
  read(index: number): Readable {
    const download = this.#downloads[index];
    const chunks = download.taken ? again(download) : this.#take(download);
    download.taken = true;
    this.#wakeAll();
    return Readable.from(chunks, { objectMode: false });
  }

  /** Nobody is going to read it. */
  async drop(index: number): Promise<void> {
    const download = this.#downloads[index];
    if (!download.taken) await this.#end(download);
  }

  /** Ends all downloads and removes the files. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#downloads.map((download) => this.#end(download)));
  }

  async *#take(download: Download): AsyncGenerator<Buffer, void, undefined> {
    try {
      this.#begin(download);
      await download.spooling;
      yield* this.#fromFile(download);
      await this.#release(download);
      if (download.failure !== undefined) throw download.failure.error;
      if (!download.ended) yield* download.chunks!;
    } finally {
      await this.#end(download);
    }
  }

  #fill(): void {
    for (const download of this.#downloads) {
      if (this.#closed || this.#running >= this.#limits.parallel) return;
      if (download.state === "waiting" && !download.taken) {
        this.#begin(download);
        download.spooling = this.#spool(download);
      }
    }
  }

  #begin(download: Download): void {
    if (download.state !== "waiting") return;
    download.state = "begun";
    download.chunks = download.start(download.stop.signal);
    this.#running++;
  }

  async #spool(download: Download): Promise<void> {
    try {
      download.file = await namelessFile(this.#limits.folder);
      while (await this.#mayWrite(download)) {
        const next = await download.chunks!.next();
        if (next.done === true) {
          download.ended = true;
          break;
        }
        await download.file.write(next.value, 0, next.value.length, download.bytes);
        download.bytes += next.value.length;
        this.#spooled += next.value.length;
      }
    } catch (error) {
      download.failure = { error };
    }
    if (download.ended || download.failure !== undefined) this.#over(download);
  }

  /** Waits for room. False once its reader has come. */
  async #mayWrite(download: Download): Promise<boolean> {
    while (!download.taken && this.#spooled >= this.#limits.spoolBytes) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return !download.taken;
  }

  async *#fromFile({ file, bytes }: Download): AsyncGenerator<Buffer, void, undefined> {
    for (let at = 0; at < bytes;) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, bytes - at));
      const { bytesRead } = await file!.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error("Cannot read what was downloaded: the file is shorter than it was");
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Stops it if it is not over, and gives back what it holds. */
  async #end(download: Download): Promise<void> {
    download.taken = true;
    this.#wakeAll();
    download.stop.abort();
    await download.spooling;
    await this.#release(download);
    await download.chunks?.return();
    if (download.state === "begun") this.#over(download);
    else download.state = "over";
  }

  async #release(download: Download): Promise<void> {
    const { file, bytes } = download;
    if (file === undefined) return;
    download.file = undefined;
    download.bytes = 0;
    this.#spooled -= bytes;
    this.#wakeAll();
    await file.close();
  }

  #over(download: Download): void {
    if (download.state !== "begun") return;
    download.state = "over";
    this.#running--;
    this.#fill();
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function again(download: Download): AsyncGenerator<Buffer, void, undefined> {
  download.stop = new AbortController();
  return download.start(download.stop.signal);
}
