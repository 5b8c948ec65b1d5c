import { addressOf } from "../../linux/memory.ts";
import type { IoBuffer } from "./io-buffers.ts";
import type { NbdConnection } from "./nbd-connection.ts";

/** Bytes for the reply of a request that has no data: the longest is an error chunk, or a hole. */
export const SHORT_REPLY_BYTES = 64;
/** Holes and data that one read is told in at most; the rest of it is told as data. */
export const MOST_EXTENTS = 8;

/** One request of a client, from its header to its reply. The objects are used again. */
export class NbdRequest {
  /** Its number among all of a server's. */
  readonly slot: number;
  /** Room for a short reply. */
  readonly shortReply: Buffer;
  readonly shortReplyAddress: number;
  connection: NbdConnection | undefined;
  /** The client's name for it: 64 bits in two words, which are only given back. */
  cookieHigh = 0;
  cookieLow = 0;
  command = 0;
  flags = 0;
  offset = 0;
  length = 0;
  /** Of READ, WRITE, CACHE and BLOCK_STATUS. */
  buffer: IoBuffer | undefined;
  /** Bytes of the payload that came, or of the data that were read, written, zeroed or trimmed. */
  done = 0;
  /** An error of the protocol, 0 as long as there is none. */
  error = 0;
  /** How many extents of data and holes are known: of a read, below; of a BLOCK_STATUS, in the buffer. */
  extents = 0;
  /** Where each of a read's extents ends, in bytes from its beginning. */
  readonly extentEnds = new Float64Array(MOST_EXTENTS);
  readonly extentIsHole = new Uint8Array(MOST_EXTENTS);

  constructor(slot: number, shortReply: Buffer) {
    this.slot = slot;
    this.shortReply = shortReply;
    this.shortReplyAddress = addressOf(shortReply);
  }
}

/** Whether a read found nothing but a hole. */
export function isAllHole({ extents, extentIsHole }: NbdRequest): boolean {
  return extents === 1 && extentIsHole[0] === 1;
}

/** The buffer of a request that has one. */
export function bufferOf({ buffer, command }: NbdRequest): IoBuffer {
  if (buffer === undefined) throw new Error(`Cannot do request ${command}: it was given no buffer`);
  return buffer;
}

/** A fixed number of requests. */
export class NbdRequests {
  readonly #all: NbdRequest[];
  readonly #free: NbdRequest[];

  constructor(count: number) {
    const replies = Buffer.allocUnsafeSlow(count * SHORT_REPLY_BYTES);
    this.#all = Array.from({ length: count }, (_, slot) => {
      return new NbdRequest(slot, replies.subarray(slot * SHORT_REPLY_BYTES, (slot + 1) * SHORT_REPLY_BYTES));
    });
    this.#free = [...this.#all];
  }

  at(slot: number): NbdRequest {
    return this.#all[slot];
  }

  /** undefined when all are in use. */
  take(): NbdRequest | undefined {
    return this.#free.pop();
  }

  giveBack(request: NbdRequest): void {
    request.connection = undefined;
    this.#free.push(request);
  }
}
