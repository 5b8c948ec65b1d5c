import { addressOf } from "../../linux/memory.ts";
import { lastErrno, libc, type LibcFunction } from "../../linux/libc.ts";
import { errno } from "../../linux/system-error.ts";
import { MOST_STATUS_EXTENTS } from "./allocation.ts";
import type { ExportDescription } from "./export-description.ts";
import { Handshake, type Negotiated } from "./handshake.ts";
import { bufferBytes, type IoBuffers } from "./io-buffers.ts";
import { Command, MAX_REQUEST_BYTES, REQUEST_MAGIC, Size } from "./nbd-protocol.ts";
import { bufferOf, type NbdRequest, type NbdRequests } from "./nbd-request.ts";
import { queueReply } from "./queue-reply.ts";
import { SendQueue } from "./send-queue.ts";
import { refusalOf } from "./validate-request.ts";

/** Room for what was received and not looked at yet: the longest option, and many small requests. */
const INPUT_BYTES = 128 << 10;
/** Requests that one client may have under way; the next ones wait in its socket. */
export const MOST_REQUESTS = 64;
/** Memory that one client's requests may hold, beside the last one that fitted. */
const MOST_BYTES = MAX_REQUEST_BYTES;
/** System calls on one connection before others have their turn. */
const MOST_RECEIVES = 8;
/** How long a handshake may take. */
const HANDSHAKE_MS = 30_000;
const TWO_32 = 0x1_0000_0000;

/** What connections share. */
export interface ConnectionParts {
  exported: ExportDescription;
  requests: NbdRequests;
  buffers: IoBuffers;
  /** Does a valid request and then calls its connection's `finish`. */
  begin(request: NbdRequest): void;
}

/** One client: its handshake, its requests as they come in, its replies as they go out. Nothing waits. */
export class NbdConnection {
  readonly fd: number;
  readonly #parts: ConnectionParts;
  readonly #queue: SendQueue;
  readonly #handshake: Handshake;
  readonly #receive: LibcFunction;
  readonly #input = Buffer.allocUnsafeSlow(INPUT_BYTES);
  readonly #inputAddress = addressOf(this.#input);
  #begin = 0;
  #end = 0;
  #negotiated: Negotiated | undefined;
  /** The WRITE whose payload is coming in. */
  #filling: NbdRequest | undefined;
  /** Payload of a WRITE that was refused, still to come. */
  #toSkip = 0;
  #refused: NbdRequest | undefined;
  #underWay = 0;
  #heldBytes = 0;
  /** The next request has to wait for those under way. */
  #blocked = false;
  /** No more is read: closed when what is under way is answered. */
  #ending = false;
  /** The client has gone: closed when what is under way is done. */
  #gone = false;
  readonly #deadlineMs = performance.now() + HANDSHAKE_MS;

  constructor(fd: number, parts: ConnectionParts) {
    this.fd = fd;
    this.#parts = parts;
    this.#receive = libc("long recv(int, ulong, ulong, int)");
    this.#queue = new SendQueue(fd, (request) => this.#release(request));
    this.#handshake = new Handshake(parts.exported, (bytes) => this.#queue.addBytes(bytes));
    this.send();
  }

  /** Whether the client takes chunks. */
  get structured(): boolean {
    return this.#negotiated?.replies === "structured";
  }

  /** Whether it is to be read from when there is something. */
  get wantsInput(): boolean {
    return !this.#ending && !this.#gone && !this.#blocked;
  }

  /** Whether something waits to be sent. */
  get hasOutput(): boolean {
    return !this.#gone && !this.#queue.empty;
  }

  /** Whether nothing is left to do: its descriptor is to be closed. */
  get over(): boolean {
    return this.#underWay === 0 && (this.#gone || (this.#ending && this.#queue.empty));
  }

  /** Reads no more, answers what is under way, and is over then. */
  end(): void {
    this.#ending = true;
    this.#dropIncoming();
  }

  /** A client that only occupies a place is not waited for any longer. */
  checkDeadline(nowMs: number): void {
    if (this.#negotiated === undefined && nowMs > this.#deadlineMs) this.#lose();
  }

  /** Receives what has come, and begins the requests in it. */
  receive(): void {
    for (let turn = 0; turn < MOST_RECEIVES && this.wantsInput; turn++) {
      const wanted = this.#receiveSome();
      if (wanted !== "more") return;
    }
  }

  /** Goes on with what was received before, once there is room for it. */
  resume(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#process();
  }

  /** Sends what the socket takes. */
  send(): void {
    if (!this.#gone && !this.#queue.send()) this.#lose();
  }

  /** A request is done. Its reply goes out with the next `send`. */
  finish(request: NbdRequest): void {
    if (this.#gone) {
      this.#release(request);
      return;
    }
    const { command, error } = request;
    const answersWithBuffer = error === 0 && (command === Command.READ || command === Command.BLOCK_STATUS);
    if (!answersWithBuffer) this.#giveBuffer(request);
    queueReply(this.#queue, request, this.#negotiated?.replies ?? "simple");
  }

  /** One system call's worth. "empty": there is no more for now. */
  #receiveSome(): "more" | "empty" {
    const payload = this.#filling;
    let wanted: number;
    let received: number;
    if (payload !== undefined && this.#begin === this.#end) {
      wanted = payload.length - payload.done;
      received = this.#receive(this.fd, bufferOf(payload).address + payload.done, wanted, 0);
      if (received > 0) payload.done += received;
    } else {
      this.#compact();
      wanted = INPUT_BYTES - this.#end;
      // The input is full of what waits for room.
      if (wanted === 0) return "empty";
      received = this.#receive(this.fd, this.#inputAddress + this.#end, wanted, 0);
      if (received > 0) this.#end += received;
    }
    if (received <= 0) {
      const number = received < 0 ? lastErrno() : 0;
      if (received === 0 || (number !== errno.EAGAIN && number !== errno.EINTR)) this.#lose();
      return "empty";
    }
    this.#process();
    // A payload often comes by itself, right behind its header.
    return received === wanted || this.#filling !== undefined ? "more" : "empty";
  }

  /** Moves what is left to the input's beginning. */
  #compact(): void {
    if (this.#begin === 0) return;
    if (this.#begin < this.#end) this.#input.copyWithin(0, this.#begin, this.#end);
    this.#end -= this.#begin;
    this.#begin = 0;
  }

  #process(): void {
    while (!this.#ending && !this.#gone && this.#step());
    if (this.#begin === this.#end) this.#begin = this.#end = 0;
  }

  /** Uses up some of the input; false when that needs more of it, or room. */
  #step(): boolean {
    if (this.#toSkip > 0) return this.#skip();
    if (this.#filling !== undefined) return this.#fill(this.#filling);
    if (this.#negotiated === undefined) return this.#shakeHands();
    return this.#end - this.#begin >= Size.request && this.#header(this.#negotiated);
  }

  #shakeHands(): boolean {
    const used = this.#handshake.take(this.#input.subarray(this.#begin, this.#end));
    this.#begin += used;
    const { state } = this.#handshake;
    if (state.kind === "agreed") this.#negotiated = state.negotiated;
    if (state.kind === "over") this.end();
    return used > 0 && state.kind === "agreed";
  }

  #header(negotiated: Negotiated): boolean {
    const input = this.#input;
    const at = this.#begin;
    if (input.readUInt32BE(at) !== REQUEST_MAGIC) {
      // From here on nobody knows where a request begins.
      this.end();
      return false;
    }
    const command = input.readUInt16BE(at + 6);
    const length = input.readUInt32BE(at + 24);
    if (command === Command.DISCONNECT) {
      this.end();
      return false;
    }
    const dataBytes = dataBytesOf(command, length);
    const held = dataBytes === 0 ? 0 : bufferBytes(dataBytes);
    const tooMuch = this.#heldBytes > 0 && this.#heldBytes + held > MOST_BYTES;
    const request = tooMuch || this.#underWay >= MOST_REQUESTS ? undefined : this.#parts.requests.take();
    if (request === undefined) {
      this.#blocked = true;
      return false;
    }
    this.#begin += Size.request;
    this.#underWay++;
    request.connection = this;
    request.flags = input.readUInt16BE(at + 4);
    request.command = command;
    request.cookieHigh = input.readUInt32BE(at + 8);
    request.cookieLow = input.readUInt32BE(at + 12);
    request.offset = input.readUInt32BE(at + 16) * TWO_32 + input.readUInt32BE(at + 20);
    request.length = length;
    request.done = 0;
    request.extents = 0;
    request.error = refusalOf(request, this.#parts.exported, negotiated);
    if (request.error !== 0) return this.#refuse(request);
    if (dataBytes > 0) {
      request.buffer = this.#parts.buffers.take(dataBytes);
      this.#heldBytes += held;
    }
    if (command === Command.WRITE) this.#filling = request;
    else this.#parts.begin(request);
    return true;
  }

  #refuse(request: NbdRequest): boolean {
    if (request.command === Command.WRITE && request.length > 0) {
      this.#toSkip = request.length;
      this.#refused = request;
    } else this.finish(request);
    return true;
  }

  #skip(): boolean {
    const skipped = Math.min(this.#toSkip, this.#end - this.#begin);
    this.#begin += skipped;
    this.#toSkip -= skipped;
    if (this.#toSkip > 0 || this.#refused === undefined) return false;
    this.finish(this.#refused);
    this.#refused = undefined;
    return true;
  }

  #fill(request: NbdRequest): boolean {
    const { memory, dataStart } = bufferOf(request);
    const copied = Math.min(request.length - request.done, this.#end - this.#begin);
    this.#input.copy(memory, dataStart + request.done, this.#begin, this.#begin + copied);
    this.#begin += copied;
    request.done += copied;
    if (request.done < request.length) return false;
    this.#filling = undefined;
    this.#parts.begin(request);
    return true;
  }

  /** The client has gone, or is given up: what it waits for is not sent. */
  #lose(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#queue.clear();
    this.#dropIncoming();
  }

  /** Forgets the request of which the rest is not received any more. */
  #dropIncoming(): void {
    if (this.#filling !== undefined) this.#release(this.#filling);
    if (this.#refused !== undefined) this.#release(this.#refused);
    this.#filling = undefined;
    this.#refused = undefined;
  }

  #release(request: NbdRequest): void {
    this.#giveBuffer(request);
    this.#underWay--;
    this.#parts.requests.giveBack(request);
  }

  #giveBuffer(request: NbdRequest): void {
    const { buffer } = request;
    if (buffer === undefined) return;
    request.buffer = undefined;
    this.#heldBytes -= buffer.bytes;
    this.#parts.buffers.giveBack(buffer);
  }
}

/** The memory that a request needs: none for one whose length is refused. */
function dataBytesOf(command: number, length: number): number {
  if (command === Command.BLOCK_STATUS) return MOST_STATUS_EXTENTS * Size.extent;
  if (command === Command.CACHE) return Math.min(length, MAX_REQUEST_BYTES);
  const transfers = command === Command.READ || command === Command.WRITE;
  return transfers && length <= MAX_REQUEST_BYTES ? length : 0;
}
