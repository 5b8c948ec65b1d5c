import { createHash } from "node:crypto";
import { TarRecorder } from "../layer/tar-recorder.ts";
import type { Digest } from "./digest.ts";

/**
 * Finds out a tar's digest, and writes the record that it can be rebuilt from, without keeping it.
 *
 * @param tarRecord the file to write
 */
export async function recordTar(
  tar: AsyncIterable<Buffer>,
  tarRecord: string,
  signal: AbortSignal | undefined,
): Promise<{ diffId: Digest; tarBytes: number }> {
  const recorder = new TarRecorder(tarRecord);
  const hash = createHash("sha256");
  try {
    for await (const chunk of tar) {
      signal?.throwIfAborted();
      hash.update(chunk);
      await recorder.write(chunk);
    }
    await recorder.end();
  } catch (error) {
    recorder.destroy();
    throw error;
  }
  return { diffId: `sha256:${hash.digest("hex")}`, tarBytes: recorder.tarBytes };
}
