import fc from "fast-check";
import { hostileBytes } from "./hostile-bytes.ts";

const header = fc.constantFrom(
  ...[
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 0",
    "Transfer-Encoding: chunked",
  ],
  ...[
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding : chunked",
    "Expect: 100-continue",
    "Connection: close",
    "Upgrade: websocket",
  ],
  ...[
    "Content-Type: application/json",
    "Content-Type: application/x-tar",
    "Content-Encoding: gzip",
    "Content-Type: \xff;;",
    "Host: x",
    "Host:",
  ],
  ...[" folded: x", `X: ${"x".repeat(20_000)}`, "X".repeat(20_000), ":", "\0: \0", "X: a\rb"],
);

/** Requests of HTTP/1 as bytes, in which lines, lengths and bodies do not go together. @param paths that the server knows */
export function hostileHttp(paths: readonly string[]): fc.Arbitrary<Buffer> {
  const target = fc.oneof(
    fc.constantFrom(...paths),
    fc.constantFrom("/", "*", "//", "/../..", "/%00", "/%", "http://x/", `/${"x".repeat(70_000)}`),
  );
  const line = fc
    .tuple(
      fc.constantFrom("POST", "POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PRI", "\0"),
      target,
      fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""),
    )
    .map((words) => words.join(" "));
  const body = fc.constantFrom(
    "",
    "{}",
    "5\r\nhello\r\n0\r\n\r\n",
    "fffffffffffffffff\r\n",
    "-1\r\n",
    "5;x=y\r\n{",
    "null",
    "x".repeat(2000),
  );
  const request = fc
    .tuple(line, fc.array(header, { maxLength: 5 }), fc.constantFrom("\r\n", "\n"), body)
    .map(([first, headers, end, text]) => Buffer.from([first, ...headers, "", text].join(end), "latin1"));
  return hostileBytes(fc.array(request, { minLength: 1, maxLength: 3 }).map((requests) => Buffer.concat(requests)));
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** A frame of HTTP/2 (RFC 9113): length, type, flags, stream, payload. */
const frame = fc
  .record({
    type: fc.oneof(fc.nat(9), fc.nat(255)),
    flags: fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 0x20), fc.nat(255)),
    stream: fc.constantFrom(0, 1, 3, 5, 2, 0x7fffffff, 0xffffffff),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom(new Uint8Array(0), new Uint8Array(6), new Uint8Array(20_000)),
    ),
    excess: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: -8, max: 1 << 20 }) },
    ),
  })
  .map(({ type, flags, stream, payload, excess }) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(Math.max(0, payload.length + excess), 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  });

const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** Connections of HTTP/2 as bytes: frames of any kind, in any order. */
export const hostileHttp2: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(frame, { maxLength: 12 }).map((frames) => Buffer.concat([preface, settings, ...frames])),
  },
  {
    weight: 1,
    arbitrary: hostileBytes(
      fc.array(frame, { maxLength: 4 }).map((frames) => Buffer.concat([preface, settings, ...frames])),
    ),
  },
);
