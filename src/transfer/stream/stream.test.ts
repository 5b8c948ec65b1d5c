import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { BufferPool } from "../buffer-pool.ts";
import { formatResumeToken, parseResumeToken } from "../resume-token.ts";
import { TransferError } from "../transfer-error.ts";
import { Encoding, FrameKind, formatPreamble, frameHeaderBytes, preambleBytes } from "./format.ts";
import { packFrameHeader } from "./frame.ts";
import type { StreamHeader } from "./stream-header.ts";
import { StreamReader } from "./stream-reader.ts";
import { type DataPayload, StreamWriter } from "./stream-writer.ts";

const MiB = 2 ** 20;

const header: StreamHeader = {
  sizeBytes: 16 * MiB,
  blockBytes: 65536,
  to: "a".repeat(64),
  snapshot: true,
  changedBytes: 4 * MiB,
  container: { name: "web", image: "app:1", imageId: `sha256:${"b".repeat(64)}`, config: { Cmd: ["sh"] } },
};

const plain = (offsetBytes: number, payload: Buffer): DataPayload => ({
  offsetBytes,
  lengthBytes: payload.length,
  payload,
  encoding: "plain",
});

/** A short stream of every kind of frame. */
async function shortStream(start?: StreamHeader["start"]): Promise<Buffer> {
  const output = new PassThrough({ highWaterMark: 64 * MiB });
  const writer = await StreamWriter.begin(output, start === undefined ? header : { ...header, start });
  if (start === undefined) {
    await writer.data(plain(0, Buffer.alloc(2048, "first")));
    await writer.zeroes(65536, 65536);
  }
  const text = Buffer.alloc(65536, "deflates well ");
  await writer.data({
    offsetBytes: 4 * MiB,
    lengthBytes: text.length,
    payload: deflateRawSync(text),
    encoding: "deflate",
  });
  await writer.data(plain(16 * MiB - 512, Buffer.alloc(512, "end")));
  await writer.end();
  return buffer(output);
}

interface Read {
  text: string;
  positions: NonNullable<StreamHeader["start"]>[];
}

async function read(stream: Buffer): Promise<Read> {
  // In small pieces, as a network may bring it.
  const pieces = Array.from({ length: Math.ceil(stream.length / 1000) }, (_, at) =>
    stream.subarray(at * 1000, at * 1000 + 1000),
  );
  const reader = await StreamReader.open(Readable.from(pieces, { objectMode: false }));
  const found: string[] = [];
  const positions = [];
  const buffers = new BufferPool(1);
  try {
    for await (const record of reader.records(buffers)) {
      positions.push(record.after);
      const what = record.kind === "data" ? record.data.toString("latin1", 0, 5) : "0";
      found.push(`${record.offsetBytes}+${record.lengthBytes} ${what}`);
      if (record.kind === "data") buffers.give(record.buffer);
    }
  } finally {
    await reader.close();
  }
  return { text: found.join(", "), positions };
}

test("a stream is read as it was written, also one that goes on", async () => {
  const { text, positions } = await read(await shortStream());
  const last = "4194304+65536 defla, 16776704+512 enden";
  assert.equal(text, `0+2048 first, 65536+65536 0, ${last}`);
  const goesOn = await read(await shortStream(positions[1]));
  assert.equal(goesOn.text, last);
  assert.deepEqual(goesOn.positions.at(-1), positions.at(-1));
});

test("a stream that ends early, anywhere, or has one changed bit, anywhere, is refused", async () => {
  const stream = await shortStream();
  const isRefusal = (error: unknown): boolean =>
    error instanceof TransferError && error.message.startsWith("Cannot receive");
  for (let length = 0; length < stream.length; length += length < 700 || length > stream.length - 700 ? 7 : 97) {
    await assert.rejects(read(stream.subarray(0, length)), { code: "truncated" });
  }
  for (let at = 0; at < stream.length; at += at < 200 || at > stream.length - 200 ? 1 : 13) {
    const flipped = Buffer.from(stream);
    flipped[at] ^= 1 << (at % 8);
    await assert.rejects(read(flipped), isRefusal, `byte ${at}`);
  }
  await assert.rejects(read(Buffer.concat([stream, Buffer.alloc(1)])), { code: "damaged", message: /behind its end/ });
  const other = Buffer.from(stream);
  other.writeUInt32LE(2, 8);
  await assert.rejects(read(other), { code: "unsupported", message: /version 2/ });
  await assert.rejects(read(randomBytes(stream.length)), { code: "invalid" });
});

/** A stream of frames with right checksums and wrong contents. */
function forged(
  frames: { kind: number; encoding?: number; offset?: number; length?: number; payload?: Buffer }[],
): Buffer {
  const parts = frames.flatMap(({ kind, encoding = 0, offset = 0, length = 0, payload = Buffer.alloc(0) }) => [
    packFrameHeader(
      { kind, encoding, payloadBytes: payload.length, offsetBytes: offset, lengthBytes: length },
      payload,
    ),
    payload,
  ]);
  return Buffer.concat([formatPreamble(), ...parts]);
}

const goodHeader = { kind: FrameKind.header, payload: Buffer.from(JSON.stringify(header)) };
const data = (offset: number, length: number, payload = Buffer.alloc(length)) => ({
  kind: FrameKind.data,
  offset,
  length,
  payload,
});

test("frames that are whole and make no sense are refused by name", async () => {
  const cases: [RegExp, Parameters<typeof forged>[0]][] = [
    [/no place there/, [goodHeader, goodHeader]],
    [/no place there/, [goodHeader, { kind: 9 }]],
    [/does not begin with a header/, [data(0, 512)]],
    [/beyond the device's end/, [goodHeader, data(16 * MiB, 512)]],
    [/beyond the device's end/, [goodHeader, data(16 * MiB - 512, 1024)]],
    [/beyond the device's end/, [goodHeader, { kind: FrameKind.zeroes, length: 17 * MiB }]],
    [/out of order/, [goodHeader, data(4096, 512), data(4096, 512)]],
    [/whole sectors/, [goodHeader, data(0, 100)]],
    [/whole sectors/, [goodHeader, data(100, 512)]],
    [/whole sectors/, [goodHeader, data(0, 0)]],
    [/too long/, [goodHeader, data(0, 2 * MiB)]],
    [/does not fit/, [goodHeader, data(0, 512, Buffer.alloc(1024))]],
    [/does not fit/, [goodHeader, { ...data(0, 512, deflateRawSync(randomBytes(512))), encoding: Encoding.deflate }]],
    [
      /cannot be read/,
      [goodHeader, { ...data(0, 1024, deflateRawSync(Buffer.alloc(65536))), encoding: Encoding.deflate }],
    ],
    [
      /another length/,
      [goodHeader, { ...data(0, 1024, deflateRawSync(Buffer.alloc(512))), encoding: Encoding.deflate }],
    ],
    [/cannot be read/, [goodHeader, { ...data(0, 1024, randomBytes(100)), encoding: Encoding.deflate }]],
    [/encoding 7/, [goodHeader, { ...data(0, 1024, randomBytes(100)), encoding: 7 }]],
    [/zeroes have a payload/, [goodHeader, { ...data(0, 512), kind: FrameKind.zeroes }]],
    [/some of it is missing/, [goodHeader, endOf({ records: 1 })]],
    [/its end is not as it should be/, [goodHeader, { kind: FrameKind.end, payload: Buffer.from("{}") }]],
    [/its end is no JSON/, [goodHeader, { kind: FrameKind.end, payload: Buffer.from("{") }]],
  ];
  for (const [message, frames] of cases) await assert.rejects(read(forged(frames)), { code: "damaged", message });
  // A payload that is announced and would take all memory.
  const huge = packFrameHeader(
    { kind: FrameKind.header, encoding: 0, payloadBytes: 2 ** 32 - 1, offsetBytes: 0, lengthBytes: 0 },
    Buffer.alloc(0),
  );
  await assert.rejects(read(Buffer.concat([formatPreamble(), huge])), { code: "damaged", message: /too long/ });
});

function endOf(changed: object): { kind: number; payload: Buffer } {
  const totals = { records: 0, dataBytes: 0, zeroBytes: 0, digest: "0".repeat(64), ...changed };
  return { kind: FrameKind.end, payload: Buffer.from(JSON.stringify(totals)) };
}

test("headers that are not as they should be are refused", async () => {
  const start = { offsetBytes: 512, records: 1, dataBytes: 512, zeroBytes: 0, digest: "c".repeat(64) };
  const wrong: object[] = [
    { sizeBytes: 0 },
    { sizeBytes: 1000 },
    { sizeBytes: 2 ** 60 },
    { blockBytes: 2 ** 40 },
    { to: "short" },
    { snapshot: 1 },
    { from: { snapshot: "a".repeat(64), name: "../x" } },
    { container: { ...header.container, name: "a/b" } },
    { container: { ...header.container, imageId: "sha256:x" } },
    { container: { ...header.container, image: "x".repeat(2000) } },
    { more: 1 },
    { start: { ...start, offsetBytes: 17 * MiB } },
    { start: { ...start, offsetBytes: 100 } },
    { start: { ...start, digest: "" } },
    { start, snapshot: false },
  ];
  for (const change of wrong) {
    const payload = Buffer.from(JSON.stringify({ ...header, ...change }));
    await assert.rejects(
      read(forged([{ kind: FrameKind.header, payload }])),
      { code: "damaged" },
      JSON.stringify(change),
    );
  }
  assert.equal(preambleBytes + frameHeaderBytes, 48);
});

test("a token is read as it was made, or refused", () => {
  const position = { offsetBytes: 3 * MiB, records: 7, dataBytes: 2 ** 40, zeroBytes: 512, digest: "c".repeat(64) };
  for (const from of [undefined, "d".repeat(64)]) {
    const token = formatResumeToken({ to: header.to, from, position });
    assert.match(token, /^mica1\.[\w-]+$/);
    assert.deepEqual(parseResumeToken(token), { to: header.to, from, position });
    for (const bad of [
      "",
      "x",
      token.slice(0, -1),
      token.replace("mica1", "mica2"),
      token.slice(0, 20) + "AAA" + token.slice(23),
    ]) {
      assert.throws(() => parseResumeToken(bad), { code: "invalid" });
    }
  }
});
