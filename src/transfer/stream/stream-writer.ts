import type { Writable } from "node:stream";
import { Encoding, FrameKind, formatPreamble, mostTextBytes } from "./format.ts";
import { type FrameHeader, packFrameHeader } from "./frame.ts";
import type { StreamHeader } from "./stream-header.ts";
import { firstPosition, positionAfter, type StreamPosition, totalsOf } from "./stream-position.ts";
import { TransferError } from "../transfer-error.ts";

/** What a data frame holds: bytes of the device as they are, or deflated. */
export interface DataPayload {
  offsetBytes: number;
  lengthBytes: number;
  payload: Uint8Array;
  encoding: "plain" | "deflate";
}

const empty = Buffer.alloc(0);

/** Writes a stream's frames. A call resolves when the output has taken them, so that their memory can be used again. */
export class StreamWriter {
  readonly #output: Writable;
  #failure: Error | undefined;
  #finished = false;
  #tellFailure: (failure: Error) => void = () => undefined;
  #position: StreamPosition;
  /** Bytes written. */
  bytes = 0;

  /** Begins a stream with its header. @throws TransferError invalid when that is too long */
  static async begin(output: Writable, header: StreamHeader): Promise<StreamWriter> {
    const payload = Buffer.from(JSON.stringify(header));
    if (payload.length > mostTextBytes) {
      throw new TransferError(
        "invalid",
        `Cannot send container ${header.container.name}: its configuration takes ${payload.length} bytes, and ${mostTextBytes} is the most`,
      );
    }
    const frame = packFrameHeader(plainFrame(FrameKind.header, payload), payload);
    const beginning = [formatPreamble(), frame, payload];
    const writer = new StreamWriter(output, header.start ?? firstPosition(beginning));
    await writer.#write(...beginning);
    return writer;
  }

  private constructor(output: Writable, position: StreamPosition) {
    this.#output = output;
    this.#position = position;
    const fail = (failure: Error): void => {
      this.#failure ??= failure;
      this.#tellFailure(this.#failure);
    };
    output.once("error", fail);
    output.once("close", () => {
      if (!this.#finished) fail(new Error("Cannot send: the output was closed"));
    });
  }

  /** Where the stream is. */
  get position(): StreamPosition {
    return this.#position;
  }

  async data({ offsetBytes, lengthBytes, payload, encoding }: DataPayload): Promise<void> {
    const frame = { kind: FrameKind.data, encoding: Encoding[encoding], payloadBytes: payload.length };
    const header = packFrameHeader({ ...frame, offsetBytes, lengthBytes }, payload);
    this.#position = positionAfter(this.#position, { kind: "data", offsetBytes, lengthBytes }, [header, payload]);
    await this.#write(header, payload);
  }

  /** A range that reads as zeroes. */
  async zeroes(offsetBytes: number, lengthBytes: number): Promise<void> {
    const header = packFrameHeader({ ...plainFrame(FrameKind.zeroes, empty), offsetBytes, lengthBytes }, empty);
    this.#position = positionAfter(this.#position, { kind: "zeroes", offsetBytes, lengthBytes }, [header]);
    await this.#write(header);
  }

  /** Ends the stream, and the output. */
  async end(): Promise<void> {
    const payload = Buffer.from(JSON.stringify(totalsOf(this.#position)));
    await this.#write(packFrameHeader(plainFrame(FrameKind.end, payload), payload), payload);
    const finished = new Promise<void>((resolve, reject) => {
      this.#output.end((error?: Error | null) => {
        this.#finished = error == null;
        if (error == null) resolve();
        else reject(error);
      });
    });
    await this.#orFailure(finished);
  }

  async #write(...parts: Uint8Array[]): Promise<void> {
    this.#output.cork();
    const written = parts
      .filter(({ length }) => length > 0)
      .map((part) => {
        this.bytes += part.length;
        return new Promise<void>((resolve, reject) => {
          this.#output.write(part, (error) => (error == null ? resolve() : reject(error)));
        });
      });
    this.#output.uncork();
    await this.#orFailure(Promise.all(written));
  }

  /** An output that was destroyed tells some writers nothing. */
  #orFailure(work: Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#tellFailure = reject;
      work.then(() => resolve(), reject);
    });
  }
}

function plainFrame(kind: number, payload: Uint8Array): Omit<FrameHeader, "payloadChecksum"> {
  return { kind, encoding: Encoding.plain, payloadBytes: payload.length, offsetBytes: 0, lengthBytes: 0 };
}
