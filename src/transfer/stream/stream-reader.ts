import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import * as v from "valibot";
import { crc32c } from "../../linux/crc32c.ts";
import type { BufferPool } from "../buffer-pool.ts";
import { TransferError } from "../transfer-error.ts";
import { ByteSource } from "./byte-source.ts";
import {
  Encoding,
  FrameKind,
  frameHeaderBytes,
  hasMagic,
  mostDataBytes,
  mostTextBytes,
  preambleBytes,
  sectorBytes,
  streamVersion,
  versionIn,
} from "./format.ts";
import { type FrameHeader, unpackFrameHeader } from "./frame.ts";
import { type StreamHeader, streamHeaderSchema } from "./stream-header.ts";
import { firstPosition, positionAfter, type StreamPosition, streamTotalsSchema, totalsOf } from "./stream-position.ts";

const inflate = promisify(inflateRaw);

/** A range of the device, and where the stream is behind it. */
export type StreamRecord =
  | { kind: "zeroes"; offsetBytes: number; lengthBytes: number; after: StreamPosition }
  /** `data` is the beginning of `buffer`, which is to be given back to the pool. */
  | { kind: "data"; offsetBytes: number; lengthBytes: number; after: StreamPosition; data: Buffer; buffer: Buffer };

/** Reads a stream, and believes nothing of it that it has not checked. */
export class StreamReader {
  readonly header: StreamHeader;
  readonly #source: ByteSource;
  #position: StreamPosition;

  /** Reads as far as the header. @throws TransferError */
  static async open(input: Readable, signal?: AbortSignal): Promise<StreamReader> {
    const source = new ByteSource(input, signal);
    try {
      const preamble = await exactly(source, preambleBytes);
      refuseOtherFormats(preamble);
      const frameBytes = await exactly(source, frameHeaderBytes);
      const frame = checkedFrame(source, frameBytes);
      if (frame.kind !== FrameKind.header) throw damaged(source, "it does not begin with a header");
      const payload = await textPayload(source, frame);
      const header = parsed(source, streamHeaderSchema, payload, "header");
      refuseMisplaced(source, header);
      return new StreamReader(source, header, firstPosition([preamble, frameBytes, payload]));
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  private constructor(source: ByteSource, header: StreamHeader, first: StreamPosition) {
    this.#source = source;
    this.header = header;
    this.#position = header.start ?? first;
  }

  /** Where the stream begins, and then is. */
  get position(): StreamPosition {
    return this.#position;
  }

  /** Bytes of the stream that were read. */
  get bytes(): number {
    return this.#source.bytes;
  }

  /** The records, to the end of the stream, which is checked. @throws TransferError truncated, damaged */
  async *records(buffers: BufferPool): AsyncGenerator<StreamRecord, void, undefined> {
    for (;;) {
      const frameBytes = await exactly(this.#source, frameHeaderBytes);
      const frame = checkedFrame(this.#source, frameBytes);
      if (frame.kind === FrameKind.end) return this.#end(frame);
      const kind = this.#checkedRange(frame);
      const { offsetBytes, lengthBytes } = frame;
      if (kind === "zeroes") {
        this.#position = positionAfter(this.#position, { kind, offsetBytes, lengthBytes }, [frameBytes]);
        yield { kind, offsetBytes, lengthBytes, after: this.#position };
        continue;
      }
      const buffer = await buffers.take();
      try {
        const payload = await this.#payload(frame, buffer);
        this.#position = positionAfter(this.#position, { kind, offsetBytes, lengthBytes }, [frameBytes, payload]);
        if (frame.encoding === Encoding.deflate) await this.#inflate(payload, buffer, lengthBytes);
      } catch (error) {
        buffers.give(buffer);
        throw error;
      }
      yield { kind, offsetBytes, lengthBytes, after: this.#position, buffer, data: buffer.subarray(0, lengthBytes) };
    }
  }

  /** Lets go of the input, whether or not all of it was read. */
  async close(): Promise<void> {
    await this.#source.close();
  }

  #checkedRange({ kind, encoding, payloadBytes, offsetBytes, lengthBytes }: FrameHeader): "data" | "zeroes" {
    const refuse = (why: string): TransferError => damaged(this.#source, why);
    if (kind !== FrameKind.data && kind !== FrameKind.zeroes)
      throw refuse(`frames of kind ${kind} have no place there`);
    if (lengthBytes === 0 || offsetBytes % sectorBytes !== 0 || lengthBytes % sectorBytes !== 0) {
      throw refuse(`the range ${offsetBytes}+${lengthBytes} is not in whole sectors`);
    }
    if (offsetBytes < this.#position.offsetBytes)
      throw refuse(`the range ${offsetBytes}+${lengthBytes} is out of order`);
    if (offsetBytes + lengthBytes > this.header.sizeBytes) {
      throw refuse(`the range ${offsetBytes}+${lengthBytes} is beyond the device's end at ${this.header.sizeBytes}`);
    }
    if (kind === FrameKind.zeroes) {
      if (encoding !== Encoding.plain || payloadBytes !== 0) throw refuse("zeroes have a payload");
      return "zeroes";
    }
    if (lengthBytes > mostDataBytes) throw refuse(`a data frame of ${lengthBytes} bytes is too long`);
    const fits = encoding === Encoding.plain ? payloadBytes === lengthBytes : payloadBytes < lengthBytes;
    if (!fits) throw refuse(`a payload of ${payloadBytes} bytes does not fit ${lengthBytes} bytes of data`);
    if (encoding !== Encoding.plain && encoding !== Encoding.deflate) throw refuse(`encoding ${encoding} is unknown`);
    return "data";
  }

  /** Into the buffer, when that is what the device is to have. */
  async #payload(frame: FrameHeader, buffer: Buffer): Promise<Buffer> {
    const memory =
      frame.encoding === Encoding.plain
        ? buffer.subarray(0, frame.payloadBytes)
        : Buffer.allocUnsafe(frame.payloadBytes);
    return filled(this.#source, memory, frame);
  }

  async #inflate(payload: Buffer, buffer: Buffer, lengthBytes: number): Promise<void> {
    let data: Buffer;
    try {
      data = await inflate(payload, { maxOutputLength: lengthBytes });
    } catch (error) {
      throw damaged(this.#source, `compressed data cannot be read (${text(error)})`);
    }
    if (data.length !== lengthBytes) throw damaged(this.#source, "compressed data have another length");
    data.copy(buffer);
  }

  async #end(frame: FrameHeader): Promise<void> {
    const payload = await textPayload(this.#source, frame);
    const told = parsed(this.#source, streamTotalsSchema, payload, "end");
    const found = totalsOf(this.#position);
    const differ = (["records", "dataBytes", "zeroBytes", "digest"] as const).find((key) => told[key] !== found[key]);
    if (differ !== undefined) {
      throw damaged(
        this.#source,
        `its ${differ} should be ${told[differ]} and is ${found[differ]}: some of it is missing`,
      );
    }
    if (!(await this.#source.ended())) throw damaged(this.#source, "it goes on behind its end");
  }
}

function refuseOtherFormats(preamble: Buffer): void {
  if (!hasMagic(preamble)) {
    throw new TransferError("invalid", "Cannot receive: the input is no stream of `mica send`");
  }
  const version = versionIn(preamble);
  if (version !== streamVersion) {
    throw new TransferError(
      "unsupported",
      `Cannot receive a stream of version ${version}: this mica knows version ${streamVersion}. Use the newer mica on both sides`,
    );
  }
  if (preamble.readUInt32LE(preambleBytes - 4) !== 0) {
    throw new TransferError("damaged", "Cannot receive: the stream's first 16 bytes are damaged");
  }
}

function refuseMisplaced(source: ByteSource, { start, sizeBytes, snapshot }: StreamHeader): void {
  if (start === undefined) return;
  if (!snapshot || start.offsetBytes > sizeBytes || start.offsetBytes % sectorBytes !== 0) {
    throw damaged(source, `a stream cannot go on at ${start.offsetBytes} of this device`);
  }
}

function checkedFrame(source: ByteSource, bytes: Buffer): FrameHeader {
  const frame = unpackFrameHeader(bytes);
  if (frame === undefined) throw damaged(source, "a frame's header has a wrong checksum");
  return frame;
}

async function textPayload(source: ByteSource, frame: FrameHeader): Promise<Buffer> {
  const { payloadBytes, encoding, offsetBytes, lengthBytes } = frame;
  if (payloadBytes > mostTextBytes) throw damaged(source, `a header of ${payloadBytes} bytes is too long`);
  if (encoding !== Encoding.plain || offsetBytes !== 0 || lengthBytes !== 0)
    throw damaged(source, "a header says too much");
  return filled(source, Buffer.alloc(payloadBytes), frame);
}

/** Reads a payload and checks it. */
async function filled(source: ByteSource, memory: Buffer, { payloadChecksum }: FrameHeader): Promise<Buffer> {
  if ((await source.fill(memory)) < memory.length) throw truncated(source);
  if (crc32c(memory) !== payloadChecksum) throw damaged(source, "a payload has a wrong checksum");
  return memory;
}

async function exactly(source: ByteSource, count: number): Promise<Buffer> {
  const memory = Buffer.alloc(count);
  if ((await source.fill(memory)) < count) throw truncated(source);
  return memory;
}

function parsed<S extends v.GenericSchema>(
  source: ByteSource,
  schema: S,
  payload: Buffer,
  what: string,
): v.InferOutput<S> {
  let json: unknown;
  try {
    json = JSON.parse(payload.toString("utf8"));
  } catch {
    throw damaged(source, `its ${what} is no JSON`);
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  throw damaged(
    source,
    `its ${what} is not as it should be (${v.flatten(result.issues).root?.[0] ?? v.getDotPath(result.issues[0]) ?? "?"})`,
  );
}

function truncated(source: ByteSource): TransferError {
  return new TransferError("truncated", `Cannot receive more: the stream broke off after ${source.bytes} bytes`);
}

function damaged(source: ByteSource, why: string): TransferError {
  return new TransferError("damaged", `Cannot receive: the stream is damaged before byte ${source.bytes}: ${why}`);
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
