import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { deviceSizeBytes, flushBuffers, isBlockDevice } from "./block-device.ts";
import { isHole } from "./seek.ts";

const CHUNK_BYTES = 1 << 20;

/**
 * Copies a file or block device into a new file, on the disk when it returns. What is zeroes takes no space in the copy. Of a device, what it
 * holds is copied, and not what the kernel had cached of it before.
 *
 * @throws EEXIST when there is the copy already
 */
export function copySparse(from: string, to: string): void {
  const source = openSync(from, "r");
  try {
    if (isBlockDevice(from)) flushBuffers(source);
    const target = openSync(to, "wx", 0o600);
    try {
      copyChunks(source, target);
      fsyncSync(target);
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

function copyChunks(source: number, target: number): void {
  const sizeBytes = deviceSizeBytes(source);
  ftruncateSync(target, sizeBytes);
  const buffer = Buffer.alloc(CHUNK_BYTES);
  const zeroes = Buffer.alloc(CHUNK_BYTES);
  for (let position = 0; position < sizeBytes; position += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, sizeBytes - position);
    if (isHole(source, position, length)) continue;
    const chunk = buffer.subarray(0, readSync(source, buffer, 0, length, position));
    if (!chunk.equals(zeroes.subarray(0, chunk.length))) writeSync(target, chunk, 0, chunk.length, position);
  }
}
