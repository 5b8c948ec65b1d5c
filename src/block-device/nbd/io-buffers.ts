import { alignedBuffer } from "../../linux/aligned-buffer.ts";
import { addressOf } from "../../linux/memory.ts";
import { MAX_REQUEST_BYTES } from "./nbd-protocol.ts";

/** What direct I/O may ask memory to be aligned to; as much room lies before the data, for a reply's headers. */
const PAGE = 4096;
/** Memory that nobody uses is kept up to so many bytes, and else left to be collected. */
const MOST_FREE_BYTES = 16 << 20;
const CLASSES = Math.log2(MAX_REQUEST_BYTES / PAGE) + 1;

/** Memory for one request's data. */
export interface IoBuffer {
  /** Data from `dataStart` on, room for headers before it. */
  readonly memory: Buffer;
  readonly dataStart: number;
  /** Where the data begins: a multiple of 4096. */
  readonly address: number;
  /** How much data it holds. */
  readonly bytes: number;
}

/** How many bytes the buffer for so much data takes: a power of two. */
export function bufferBytes(dataBytes: number): number {
  return PAGE << classOf(dataBytes);
}

/** Buffers that are used again and again, in sizes of powers of two. */
export class IoBuffers {
  readonly #free: IoBuffer[][] = Array.from({ length: CLASSES }, () => []);
  #freeBytes = 0;

  /** @param dataBytes at most `MAX_REQUEST_BYTES` */
  take(dataBytes: number): IoBuffer {
    const buffer = this.#free[classOf(dataBytes)].pop();
    if (buffer === undefined) return makeBuffer(bufferBytes(dataBytes));
    this.#freeBytes -= buffer.bytes;
    return buffer;
  }

  giveBack(buffer: IoBuffer): void {
    if (this.#freeBytes + buffer.bytes > MOST_FREE_BYTES) return;
    this.#freeBytes += buffer.bytes;
    this.#free[classOf(buffer.bytes)].push(buffer);
  }
}

function makeBuffer(bytes: number): IoBuffer {
  const memory = alignedBuffer(PAGE + bytes, PAGE);
  return { memory, dataStart: PAGE, address: addressOf(memory) + PAGE, bytes };
}

/** 0 for up to 4 KiB, one more for each doubling. */
function classOf(bytes: number): number {
  return bytes <= PAGE ? 0 : 32 - Math.clz32((bytes - 1) >>> 12);
}
