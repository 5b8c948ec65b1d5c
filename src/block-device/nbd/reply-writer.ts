import { ALLOCATION_CONTEXT_ID, Chunk, CHUNK_DONE, CHUNK_MAGIC, SIMPLE_REPLY_MAGIC, Size } from "./nbd-protocol.ts";
import type { NbdRequest } from "./nbd-request.ts";

const TWO_32 = 0x1_0000_0000;

/** Writes a simple reply's header. @returns its bytes */
export function writeSimpleReply(target: Buffer, at: number, request: NbdRequest): number {
  writeWord(target, at, SIMPLE_REPLY_MAGIC);
  writeWord(target, at + 4, request.error);
  writeWord(target, at + 8, request.cookieHigh);
  writeWord(target, at + 12, request.cookieLow);
  return Size.simpleReply;
}

/** Writes a chunk that tells the request's error, without a message, and ends its reply. @returns its bytes */
export function writeErrorChunk(target: Buffer, at: number, request: NbdRequest): number {
  writeChunk(target, at, request, Chunk.ERROR, CHUNK_DONE, 6);
  writeWord(target, at + Size.chunk, request.error);
  target[at + Size.chunk + 4] = 0;
  target[at + Size.chunk + 5] = 0;
  return Size.chunk + 6;
}

/** Writes the header of a chunk of data; `bytes` of data follow it. @returns its bytes */
export function writeDataChunk(
  target: Buffer,
  at: number,
  request: NbdRequest,
  offset: number,
  bytes: number,
  flags: number,
): number {
  writeChunk(target, at, request, Chunk.OFFSET_DATA, flags, 8 + bytes);
  writeWide(target, at + Size.chunk, offset);
  return Size.dataChunk;
}

/** Writes a chunk that says that a range reads as zeroes. @returns its bytes */
export function writeHoleChunk(
  target: Buffer,
  at: number,
  request: NbdRequest,
  offset: number,
  bytes: number,
  flags: number,
): number {
  writeChunk(target, at, request, Chunk.OFFSET_HOLE, flags, 12);
  writeWide(target, at + Size.chunk, offset);
  writeWord(target, at + Size.chunk + 8, bytes);
  return Size.holeChunk;
}

/** Writes the header of a chunk of block status; as many extents follow it. @returns its bytes */
export function writeStatusChunk(target: Buffer, at: number, request: NbdRequest, extents: number): number {
  writeChunk(target, at, request, Chunk.BLOCK_STATUS, CHUNK_DONE, 4 + extents * Size.extent);
  writeWord(target, at + Size.chunk, ALLOCATION_CONTEXT_ID);
  return Size.chunk + 4;
}

/** Writes one extent of a chunk of block status. */
export function writeExtent(target: Buffer, at: number, bytes: number, state: number): void {
  writeWord(target, at, bytes);
  writeWord(target, at + 4, state);
}

function writeChunk(target: Buffer, at: number, request: NbdRequest, type: number, flags: number, bytes: number): void {
  writeWord(target, at, CHUNK_MAGIC);
  writeWord(target, at + 4, flags * 0x10000 + type);
  writeWord(target, at + 8, request.cookieHigh);
  writeWord(target, at + 12, request.cookieLow);
  writeWord(target, at + 16, bytes);
}

function writeWide(target: Buffer, at: number, value: number): void {
  writeWord(target, at, value / TWO_32);
  writeWord(target, at + 4, value);
}

/** The lower 32 bits of a number, big-endian. */
function writeWord(target: Buffer, at: number, value: number): void {
  target[at] = value / 0x1000000;
  target[at + 1] = value / 0x10000;
  target[at + 2] = value / 0x100;
  target[at + 3] = value;
}
