import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { packageFile } from "../linux/package-root.ts";
import { errorCode } from "../linux/system-error.ts";
import type { ApplyAnswer, ApplyRequest } from "./apply-answer.ts";
import { COMPRESSION_MAGIC_BYTES, detectCompression, type Compression } from "./compression.ts";
import { decompress } from "./decompress.ts";
import { EarlyWriteback } from "./early-writeback.ts";
import { LayerError } from "./layer-error.ts";
import type { OwnerMaps } from "./owner-map.ts";
import { peek } from "./peek.ts";
import { TarRecorder } from "./tar-recorder.ts";

/** What was applied. */
export interface AppliedLayer {
  /** "sha256:…" of the blob as it came. */
  blobDigest: string;
  blobBytes: number;
  compression: Compression;
  /** "sha256:…" of the uncompressed tar. */
  diffId: string;
  tarBytes: number;
  /** Sum of the sizes of its regular files. */
  contentBytes: number;
  /** Whether the tar ended with its end mark: without one it may have been cut between two entries. */
  ended: boolean;
  /** Whether a name came twice, so that the unpacked files may not add up to the tar. */
  duplicates: boolean;
  warnings: string[];
}

/** How to apply a layer. */
export interface ApplyOptions {
  /** Where to write the record from which the tar can be put together again (see TarRecorder). */
  recordTo?: string | undefined;
  /** Keep file contents in that record too. */
  recordVerbatim?: boolean;
  /** Called with the bytes of the blob read so far. */
  onProgress?: ((blobBytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Of a user namespace whose numbers the tar has; the files get those outside. */
  owners?: OwnerMaps | undefined;
}

/**
 * Unpacks a layer's blob onto a root file system that holds the layers below. Reading, hashing and inflating run beside
 * the unpacking, which is a process confined to `root`; when this resolves all is on disk (synced).
 *
 * @param blob tar, as it is or compressed by gzip, zstd, xz or bzip2
 * @param root folder of the root file system, which may still be on its way; needs the right to chroot
 * @throws LayerError when the blob is damaged, ends early or holds what may not be unpacked; `root` is then half changed
 */
export async function applyLayer(
  blob: Readable,
  root: string | Promise<string>,
  options: ApplyOptions = {},
): Promise<AppliedLayer> {
  const child = startUnpacking();
  try {
    const rootPath = await root;
    child.begin({ root: rootPath, owners: options.owners });
    return await applyWith(child, blob, rootPath, options);
  } finally {
    blob.destroy();
    await child.stop();
  }
}

async function applyWith(child: Unpacking, blob: Readable, root: string, options: ApplyOptions): Promise<AppliedLayer> {
  options.signal?.throwIfAborted();
  const { head, rest } = await peek(blob, COMPRESSION_MAGIC_BYTES);
  const compression = detectCompression(head);
  const blobHash = createHash("sha256");
  const tarHash = compression === "none" ? blobHash : createHash("sha256");
  const recorder =
    options.recordTo === undefined
      ? undefined
      : new TarRecorder(options.recordTo, { verbatim: options.recordVerbatim ?? false });
  let blobBytes = 0;
  let tarBytes = 0;
  async function* countBlob(): AsyncGenerator<Buffer> {
    for await (const chunk of rest) {
      blobHash.update(chunk);
      blobBytes += chunk.length;
      options.onProgress?.(blobBytes);
      yield chunk;
    }
  }
  async function* countTar(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      if (tarHash !== blobHash) tarHash.update(chunk);
      tarBytes += chunk.length;
      writeback.progressed(tarBytes);
      await recorder?.write(chunk);
      yield chunk;
    }
  }
  const writeback = new EarlyWriteback(root);
  try {
    const tar = decompress(Readable.from(countBlob(), { objectMode: false }), compression);
    const feeding = pipeline(
      tar,
      countTar,
      child.stdin,
      options.signal === undefined ? {} : { signal: options.signal },
    );
    const [failure, answer] = await Promise.all([failureOf(feeding), child.answer]);
    // The process that unpacks knows best, but where it only noticed that its input ended, the input's reason counts.
    if (failure !== undefined && !isBrokenPipe(failure)) throw explain(failure, compression);
    if (!answer.ok) throw new LayerError(answer.message);
    if (failure !== undefined) throw failure;
    const recorded = await recorder?.end();
    return {
      blobDigest: `sha256:${blobHash.copy().digest("hex")}`,
      blobBytes,
      compression,
      diffId: `sha256:${tarHash.copy().digest("hex")}`,
      tarBytes,
      contentBytes: answer.contentBytes,
      ended: recorded?.ended ?? true,
      duplicates: recorded?.duplicates ?? false,
      warnings: answer.warnings,
    };
  } catch (error) {
    recorder?.destroy();
    throw error;
  } finally {
    await writeback.close();
  }
}

/** The process that unpacks. It is started before it is needed: starting takes as long as making a device. */
interface Unpacking {
  begin(request: ApplyRequest): void;
  stdin: Writable;
  answer: Promise<ApplyAnswer>;
  /** Ends it if it has not ended, and waits until it has: while it runs, the root cannot be unmounted. */
  stop(): Promise<void>;
}

function startUnpacking(): Unpacking {
  const child = spawn(process.execPath, [packageFile("dist/apply-layer.js"), "apply"], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  let output = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint = (complaint + text).slice(-2000)));
  const closed = new Promise<ApplyAnswer>((resolve) => {
    child.on("error", (error) => resolve({ ok: false, message: `Cannot start unpacking: ${error.message}` }));
    child.on("close", (code, signal) => {
      const why = `the process that does ended with ${signal ?? `status ${code}`}${complaint ? `: ${complaint.trim()}` : ""}`;
      resolve(parseAnswer(output) ?? { ok: false, message: `Cannot unpack the layer: ${why}` });
    });
  });
  const control = child.stdio[3] as Writable;
  control.on("error", () => undefined); // it ended, and says why
  return {
    begin: (request) => control.end(JSON.stringify(request)),
    stdin: child.stdin,
    answer: closed,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await closed;
    },
  };
}

function parseAnswer(line: string): ApplyAnswer | undefined {
  try {
    return JSON.parse(line) as ApplyAnswer;
  } catch {
    return undefined;
  }
}

async function failureOf(work: Promise<void>): Promise<Error | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function isBrokenPipe(error: Error): boolean {
  return ["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"].includes(errorCode(error) ?? "");
}

function explain(error: Error, compression: Compression): Error {
  if (!(errorCode(error)?.startsWith("Z_") ?? false)) return error;
  return new LayerError(
    `Cannot inflate the layer (${compression}): ${error.message}; the blob is damaged or cut short`,
    {
      cause: error,
    },
  );
}
