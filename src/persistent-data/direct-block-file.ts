import { closeSync, constants, openSync, readSync } from "node:fs";
import { alignedBuffer } from "../linux/aligned-buffer.ts";
import { deviceSizeBytes } from "../linux/block-device.ts";
import { blockBytes } from "./block.ts";
import type { BlockFile } from "./block-file.ts";
import { MetadataError } from "./metadata-error.ts";

/** What is read at once: neighbouring blocks are often wanted next, and each read goes to the device. */
const CHUNK_BLOCKS = 32;

/**
 * Opens a block device of metadata blocks for reading, past the page cache: the kernel's thin pools write past it too, so that what it
 * holds may be old. Within a chunk last read blocks are not read again: only what does not change meanwhile may be read so.
 */
export function openDirectBlockFile(path: string): BlockFile {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  const chunk = alignedBuffer(CHUNK_BLOCKS * blockBytes, blockBytes);
  let first = -1;
  let blocks = 0;
  return {
    readOnly: true,
    sizeBlocks: () => Math.floor(deviceSizeBytes(fd) / blockBytes),
    read(block, into) {
      if (first < 0 || block < first || block >= first + blocks) {
        first = block - (block % CHUNK_BLOCKS);
        blocks = Math.floor(readChunk(fd, chunk, first, path) / blockBytes);
      }
      const at = block - first;
      if (at >= blocks) throw failed(path, block, "it lies beyond the end");
      into.set(chunk.subarray(at * blockBytes, (at + 1) * blockBytes));
    },
    write: refuse,
    flush: refuse,
    close: () => closeSync(fd),
  };
}

function readChunk(fd: number, chunk: Buffer, first: number, path: string): number {
  try {
    return readSync(fd, chunk, 0, chunk.length, first * blockBytes);
  } catch (error) {
    throw failed(path, first, error instanceof Error ? error.message : String(error), error);
  }
}

function failed(path: string, block: number, why: string, cause?: unknown): MetadataError {
  return new MetadataError("EIO", `Cannot read metadata block ${block} of ${path}: ${why}`, { block, cause });
}

function refuse(): never {
  throw new MetadataError("EROFS", "Cannot write to a metadata device that was opened for reading");
}
