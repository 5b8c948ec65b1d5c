import { residentBuffer } from "../linux/resident-buffer.ts";
import { IN_HEADER, In, MAX_WRITE, OUT_HEADER, OutSize } from "./fuse-protocol.ts";
import type { FuseChannel } from "./fuse-channel.ts";

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const ATTR_BODY = 88;
const TWO_32 = 0x1_0000_0000;

/** What an attribute block says of a node. */
export interface NodeAttributes {
  nodeLow: number;
  nodeHigh: number;
  kind: "folder" | "file";
  sizeBytes: number;
  /** What the file holds, as `du` has it. */
  allocatedBytes: number;
  /** The preferred unit, in bytes. */
  blockSizeBytes: number;
}

/** The one reply buffer, with what is needed to fill it. Reads are served straight into it, behind the header. */
export class FuseReply {
  readonly buffer = residentBuffer(OUT_HEADER + MAX_WRITE + 4096, OUT_HEADER);
  readonly #words = new Uint32Array(this.buffer.buffer, this.buffer.byteOffset, this.buffer.length >> 2);
  readonly #channel: FuseChannel;
  readonly #startedSeconds = Math.floor(Date.now() / 1000);

  constructor(channel: FuseChannel) {
    this.#channel = channel;
  }

  /** Sends header and `length` bytes of body that are in the buffer already. */
  send(request: Uint32Array, length: number): void {
    this.#header(request, OUT_HEADER + length, 0);
    this.#channel.send(this.buffer, OUT_HEADER + length);
  }

  /** Sends a negative error number, or 0 and no body. */
  sendError(request: Uint32Array, error: number): void {
    this.#header(request, OUT_HEADER, error);
    this.#channel.send(this.buffer, OUT_HEADER);
  }

  #header(request: Uint32Array, length: number, error: number): void {
    const words = this.#words;
    words[0] = length;
    words[1] = error >>> 0;
    words[2] = request[In.unique >> 2];
    words[3] = request[(In.unique >> 2) + 1];
  }

  /** Answers WRITE: so many bytes were written. */
  sendWritten(request: Uint32Array, length: number): void {
    this.#words[OUT_HEADER >> 2] = length;
    this.#words[(OUT_HEADER >> 2) + 1] = 0;
    this.send(request, OutSize.write);
  }

  /** Answers LSEEK: a place in the file, in bytes. */
  sendOffset(request: Uint32Array, offset: number): void {
    this.#words[OUT_HEADER >> 2] = offset;
    this.#words[(OUT_HEADER >> 2) + 1] = offset / TWO_32;
    this.send(request, OutSize.lseek);
  }

  /** Clears room for a body of so many bytes and returns where it starts. */
  clear(length: number): number {
    this.buffer.fill(0, OUT_HEADER, OUT_HEADER + length);
    return OUT_HEADER;
  }

  /** struct fuse_attr at a byte offset; sizes and modes only: these files have no history. */
  #attributes(at: number, node: NodeAttributes): void {
    const { buffer } = this;
    buffer.writeUInt32LE(node.nodeLow, at);
    buffer.writeUInt32LE(node.nodeHigh, at + 4);
    buffer.writeBigUInt64LE(BigInt(node.sizeBytes), at + 8);
    buffer.writeBigUInt64LE(BigInt(Math.ceil(node.allocatedBytes / 512)), at + 16);
    for (const time of [24, 32, 40]) buffer.writeBigUInt64LE(BigInt(this.#startedSeconds), at + time);
    buffer.writeUInt32LE(node.kind === "folder" ? S_IFDIR | 0o700 : S_IFREG | 0o600, at + 60);
    buffer.writeUInt32LE(node.kind === "folder" ? 2 : 1, at + 64);
    buffer.writeUInt32LE(node.blockSizeBytes, at + 80);
  }

  /** Body of GETATTR and SETATTR: struct fuse_attr_out, valid for no time, so that a stat sees a new size at once. */
  sendAttributes(request: Uint32Array, node: NodeAttributes): void {
    const at = this.clear(OutSize.attr);
    this.#attributes(at + OutSize.attr - ATTR_BODY, node);
    this.send(request, OutSize.attr);
  }

  /** Writes struct fuse_entry_out at a byte offset of cleared buffer. */
  entry(at: number, node: NodeAttributes): void {
    this.buffer.writeUInt32LE(node.nodeLow, at);
    this.buffer.writeUInt32LE(node.nodeHigh, at + 4);
    this.#attributes(at + OutSize.entry - ATTR_BODY, node);
  }
}

/** A request's words: the same bytes as the request buffer, four at a time. */
export function wordsOf(request: Buffer): Uint32Array {
  if (request.byteOffset % 4 !== 0 || request.length < IN_HEADER)
    throw new RangeError("Cannot view a request: odd buffer");
  return new Uint32Array(request.buffer, request.byteOffset, request.length >> 2);
}
