import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, pipeline } from "node:stream";
import { pipeline as pipelineOf } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { packageFile } from "../linux/package-root.ts";
import type { Compression } from "./compression.ts";
import { LayerError } from "./layer-error.ts";

const CHUNK_BYTES = 1 << 18;

/**
 * Undoes a compression. gzip is inflated on node's thread pool; the others, which node 20 lacks, by libarchive in a
 * process of its own. Damage and an early end are errors of the stream that is returned, as the source's errors are.
 */
export function decompress(source: Readable, compression: Compression): Readable {
  if (compression === "none") return source;
  if (compression !== "gzip") return Readable.from(throughChild(source, compression), { objectMode: false });
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  pipeline(source, gunzip, () => undefined); // a failure destroys gunzip, whose reader gets it
  return gunzip;
}

async function* throughChild(source: Readable, compression: Compression): AsyncGenerator<Buffer> {
  const child = spawn(process.execPath, [packageFile("dist/apply-layer.js"), "decompress"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint = (complaint + text).slice(-2000)));
  const closed = once(child, "close") as Promise<[number | null, string | null]>;
  const fed = pipelineOf(source, child.stdin).then(
    () => undefined,
    (error: unknown) => error as NodeJS.ErrnoException,
  );
  closed.catch(() => undefined);
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const [code, signal] = await closed;
    // A broken pipe only says that the child ended; the child says why.
    const feedError = await fed;
    if (feedError !== undefined && feedError.code !== "EPIPE" && code === 0) throw feedError;
    if (feedError !== undefined && source.errored !== null) throw source.errored;
    if (code !== 0) {
      throw new LayerError(complaint.trim() || `Cannot decompress ${compression}: ${signal ?? `exit status ${code}`}`);
    }
  } finally {
    child.kill("SIGKILL");
    source.destroy();
  }
}
