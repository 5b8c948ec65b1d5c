import { createWriteStream, renameSync, rmSync } from "node:fs";
import type { Writable } from "node:stream";

/**
 * Writes a file that is there only when it is complete, or a stream.
 *
 * @param target path of the file, or the stream
 * @param write writes to what it is given, and ends it
 */
export async function writeWhole(target: string | Writable, write: (to: Writable) => Promise<void>): Promise<void> {
  if (typeof target !== "string") return write(target);
  const partial = `${target}.partial-${process.pid}`;
  try {
    await write(createWriteStream(partial, { flush: true, flags: "wx" }));
    renameSync(partial, target);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
