import { closeSync, constants, openSync, readSync } from "node:fs";
import { alignedBuffer } from "../linux/aligned-buffer.ts";
import { deviceSizeBytes, isBlockDevice } from "../linux/block-device.ts";
import type { BlockFile } from "./block-file.ts";
import { blockBytes } from "./block.ts";
import { MetadataError } from "./metadata-error.ts";

/** Places that are read at the same time: the leaves of a tree lie in one, or in a few, and its inner nodes in another. */
const mostWindows = 8;

/** Blocks read at once where one follows the other. */
const mostBlocks = 64;

/** Blocks that may be passed over and still count as following. */
const mostSkipped = 16;

/** A piece of the device in memory. */
interface Window {
  first: number;
  blocks: number;
  lastUse: number;
  readonly bytes: Uint8Array;
}

/**
 * Opens metadata to be read from end to end: in long pieces where that pays, as a walk over a tree meets most blocks in the order in which
 * they lie. Block devices are read past the page cache, which the kernel's pools write past too. Only for what does not change meanwhile.
 */
export function openReadAheadFile(path: string): BlockFile {
  return new ReadAheadFile(path);
}

class ReadAheadFile implements BlockFile {
  readonly readOnly = true;
  readonly #path: string;
  readonly #fd: number;
  readonly #direct: boolean;
  readonly #size: number;
  readonly #windows: Window[] = [];
  #uses = 0;

  constructor(path: string) {
    this.#path = path;
    this.#direct = isBlockDevice(path);
    this.#fd = openSync(path, constants.O_RDONLY | (this.#direct ? constants.O_DIRECT : 0));
    this.#size = Math.floor(deviceSizeBytes(this.#fd) / blockBytes);
  }

  sizeBlocks(): number {
    return this.#size;
  }

  read(block: number, into: Uint8Array): void {
    const window = this.#windowOf(block) ?? this.#load(block);
    window.lastUse = ++this.#uses;
    const at = (block - window.first) * blockBytes;
    into.set(window.bytes.subarray(at, at + blockBytes));
  }

  write(): never {
    throw new MetadataError("EROFS", `Cannot write to ${this.#path}: it was opened to be read only`);
  }

  flush(): void {
    // Nothing is ever written.
  }

  close(): void {
    closeSync(this.#fd);
  }

  #windowOf(block: number): Window | undefined {
    for (const window of this.#windows) {
      if (block >= window.first && block < window.first + window.blocks) return window;
    }
    return undefined;
  }

  #load(block: number): Window {
    if (!(block < this.#size)) throw this.#failed(block, "it lies beyond the end");
    const before = this.#windows.find(
      ({ first, blocks }) => block >= first + blocks && block < first + blocks + mostSkipped,
    );
    const window = before ?? this.#leastUsed();
    const wanted = before === undefined ? 1 : Math.min(mostBlocks, 2 * before.blocks);
    // Holds nothing until the read is done: it may fail.
    window.blocks = 0;
    window.first = block;
    window.blocks = this.#fill(window, Math.min(wanted, this.#size - block));
    return window;
  }

  /** Returns how many blocks could be read: where a long piece cannot, the block that was asked for may. */
  #fill({ first, bytes }: Window, blocks: number): number {
    try {
      const got = Math.floor(readSync(this.#fd, bytes, 0, blocks * blockBytes, first * blockBytes) / blockBytes);
      if (got > 0) return got;
    } catch (error) {
      if (blocks === 1) throw this.#failed(first, error instanceof Error ? error.message : String(error), error);
      return this.#fill({ first, bytes, blocks: 0, lastUse: 0 }, 1);
    }
    throw this.#failed(first, "it lies beyond the end");
  }

  #leastUsed(): Window {
    if (this.#windows.length < mostWindows) {
      const size = mostBlocks * blockBytes;
      const bytes = this.#direct ? alignedBuffer(size, blockBytes) : new Uint8Array(size);
      const window = { first: 0, blocks: 0, lastUse: 0, bytes };
      this.#windows.push(window);
      return window;
    }
    return this.#windows.reduce((least, window) => (window.lastUse < least.lastUse ? window : least));
  }

  #failed(block: number, why: string, cause?: unknown): MetadataError {
    return new MetadataError("EIO", `Cannot read metadata block ${block} of ${this.#path}: ${why}`, { block, cause });
  }
}
