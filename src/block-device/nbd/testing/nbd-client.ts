import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Chunk, CHUNK_DONE, CHUNK_MAGIC, Command, Option, SIMPLE_REPLY_MAGIC } from "../nbd-protocol.ts";
import { clientFlags, contextData, infoData, option, request } from "./frames.ts";

/** One piece of what a server answers to a request. */
export interface Answer {
  cookie: bigint;
  /** Of a chunk; a simple reply has none. */
  chunk: number | undefined;
  done: boolean;
  /** Of a simple reply, or an error chunk. */
  error: number;
  /** A chunk's payload. */
  payload: Buffer;
}

/** For tests: an NBD client of a unix socket that sends what it is told, right or wrong. */
export class NbdClient {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #ended = false;
  #wake = (): void => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#received.push(bytes);
      this.#receivedBytes += bytes.length;
      this.#wake();
    });
    for (const event of ["end", "error", "close"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** Connects, and reads the greeting. */
  static async connect(path: string): Promise<NbdClient> {
    const socket = connect(path);
    await once(socket, "connect");
    const client = new NbdClient(socket);
    await client.read(18);
    return client;
  }

  /** Connects and agrees on the default export: with structured replies and base:allocation, or neither. */
  static async open(path: string, replies: "simple" | "structured" = "structured"): Promise<NbdClient> {
    const client = await NbdClient.connect(path);
    const structured = [
      option(Option.STRUCTURED_REPLY),
      option(Option.SET_META_CONTEXT, contextData("", "base:allocation")),
    ];
    client.write(clientFlags(), ...(replies === "structured" ? structured : []), option(Option.GO, infoData("")));
    for (;;) {
      const head = await client.read(20);
      await client.read(head.readUInt32BE(16));
      if (head.readUInt32BE(12) !== 1) continue;
      if (head.readUInt32BE(8) === Option.GO) return client;
    }
  }

  write(...frames: Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** Exactly so many bytes. */
  async read(bytes: number): Promise<Buffer> {
    while (this.#receivedBytes < bytes) {
      if (this.#ended) throw new Error("Cannot read on: the server has closed the connection");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received);
    this.#received = [all.subarray(bytes)];
    this.#receivedBytes -= bytes;
    return all.subarray(0, bytes);
  }

  /** The next chunk or simple reply. @param dataBytes what follows a simple reply */
  async answer(dataBytes = 0): Promise<Answer> {
    const magic = (await this.read(4)).readUInt32BE();
    if (magic === SIMPLE_REPLY_MAGIC) {
      const head = await this.read(12);
      const error = head.readUInt32BE(0);
      const payload = error === 0 ? await this.read(dataBytes) : Buffer.alloc(0);
      return { cookie: head.readBigUInt64BE(4), chunk: undefined, done: true, error, payload };
    }
    if (magic !== CHUNK_MAGIC) throw new Error(`Cannot read an answer: it begins with ${magic.toString(16)}`);
    const head = await this.read(16);
    const chunk = head.readUInt16BE(2);
    const payload = await this.read(head.readUInt32BE(12));
    const error = chunk >= 0x8000 ? payload.readUInt32BE(0) : 0;
    return { cookie: head.readBigUInt64BE(4), chunk, done: head.readUInt16BE(0) === CHUNK_DONE, error, payload };
  }

  /** Sends one request and returns its answer's first piece: all of it, but for a read of data and holes. */
  async ask(command: number, fields: Parameters<typeof request>[1] = {}, payload = Buffer.alloc(0)): Promise<Answer> {
    this.write(request(command, fields), payload);
    return this.answer();
  }

  /** A range's bytes, put together from chunks of data and holes. */
  async data(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length, 0xee);
    this.write(request(Command.READ, { offset, length }));
    for (let done = false; !done;) {
      const answer = await this.answer(length);
      if (answer.error !== 0) throw new Error(`Cannot read: error ${answer.error}`);
      const at = Number(answer.payload.readBigUInt64BE(0)) - offset;
      if (answer.chunk === Chunk.OFFSET_DATA) answer.payload.copy(bytes, at, 8);
      else bytes.fill(0, at, at + answer.payload.readUInt32BE(8));
      done = answer.done;
    }
    return bytes;
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    while (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
