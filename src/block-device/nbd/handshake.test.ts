import assert from "node:assert/strict";
import { test } from "node:test";
import { Handshake, type HandshakeState } from "./handshake.ts";
import { Info, NBD_MAGIC, Option, OPTION_MAGIC, OptionReply, TransmissionFlag } from "./nbd-protocol.ts";
import { clientFlags, contextData, infoData, option, text, uint16, uint32 } from "./testing/frames.ts";

const exported = {
  name: "web",
  sizeBytes: 10 * 2 ** 30,
  access: "read-write",
  fastZeroes: true,
  blockSizeBytes: 65536,
} as const;

interface Reply {
  option: number;
  type: number;
  data: Buffer;
}

/** Sends all of it in pieces of so many bytes; what came back, the greeting aside, and how it ended. */
function shake(frames: Buffer[], pieceBytes = Infinity): { answers: Buffer; state: HandshakeState; left: number } {
  const sent: Buffer[] = [];
  const handshake = new Handshake(exported, (bytes) => sent.push(Buffer.from(bytes)));
  const greeting = sent.shift();
  assert.equal(greeting?.readBigUInt64BE(0), NBD_MAGIC);
  assert.equal(greeting.readBigUInt64BE(8), OPTION_MAGIC);
  assert.equal(greeting.readUInt16BE(16), 3);
  const all = Buffer.concat(frames);
  let begin = 0;
  for (let end = Math.min(pieceBytes, all.length); ; end = Math.min(end + pieceBytes, all.length)) {
    begin += handshake.take(all.subarray(begin, end));
    if (end === all.length || handshake.state.kind !== "going on") break;
  }
  return { answers: Buffer.concat(sent), state: handshake.state, left: all.length - begin };
}

function replies(answers: Buffer): Reply[] {
  const found: Reply[] = [];
  for (let at = 0; at < answers.length;) {
    assert.equal(answers.readBigUInt64BE(at), 0x3e889045565a9n);
    const end = at + 20 + answers.readUInt32BE(at + 16);
    found.push({
      option: answers.readUInt32BE(at + 8),
      type: answers.readUInt32BE(at + 12),
      data: answers.subarray(at + 20, end),
    });
    at = end;
  }
  return found;
}

const types = (answers: Buffer): number[] => replies(answers).map(({ type }) => type);

test("GO tells size, flags and block sizes, and the rest of the bytes are requests", () => {
  for (const pieceBytes of [Infinity, 1, 7]) {
    const go = option(Option.GO, infoData("", Info.BLOCK_SIZE, Info.NAME, 77));
    const { answers, state, left } = shake(
      [clientFlags(), option(Option.STRUCTURED_REPLY), go, Buffer.from("request")],
      pieceBytes,
    );
    const [ack, info, name, sizes, done] = replies(answers);
    assert.deepEqual([ack.option, ack.type], [Option.STRUCTURED_REPLY, OptionReply.ACK]);
    assert.equal(info.data.readUInt16BE(0), Info.EXPORT);
    assert.equal(info.data.readBigUInt64BE(2), BigInt(exported.sizeBytes));
    const flags = info.data.readUInt16BE(10);
    assert.equal(flags & TransmissionFlag.READ_ONLY, 0);
    for (const flag of ["SEND_DF", "CAN_MULTI_CONN", "SEND_FUA", "SEND_FAST_ZERO", "SEND_TRIM"] as const) {
      assert.notEqual(flags & TransmissionFlag[flag], 0, flag);
    }
    assert.equal(name.data.toString("utf8", 2), "web");
    assert.deepEqual(
      [2, 6, 10].map((at) => sizes.data.readUInt32BE(at)),
      [1, 65536, 32 << 20],
    );
    assert.equal(done.type, OptionReply.ACK);
    assert.deepEqual(state, { kind: "agreed", negotiated: { replies: "structured", allocationContext: false } });
    assert.equal(left, "request".length, "what follows is not touched");
  }
});

test("the context is agreed on for the export that it was chosen for, and only with structured replies", () => {
  const agreed = (...frames: Buffer[]): unknown => {
    const { state } = shake([clientFlags(), ...frames]);
    return state.kind === "agreed" ? state.negotiated : state;
  };
  const structured = option(Option.STRUCTURED_REPLY);
  const set = (...data: Parameters<typeof contextData>): Buffer =>
    option(Option.SET_META_CONTEXT, contextData(...data));
  const go = option(Option.GO, infoData("web"));
  const withContext = { replies: "structured", allocationContext: true };
  const without = { replies: "structured", allocationContext: false };
  assert.deepEqual(agreed(structured, set("web", "base:allocation", "qemu:dirty"), go), withContext);
  assert.deepEqual(agreed(structured, set("", "base:allocation"), go), without);
  assert.deepEqual(agreed(structured, set("web", "base:allocation"), set("web"), go), without);
  assert.deepEqual(agreed(structured, set("web", "base:"), go), without);
  const early = shake([clientFlags(), set("web", "base:allocation"), structured, go]);
  assert.deepEqual(types(early.answers).slice(0, 1), [OptionReply.ERR_INVALID]);
  const list = shake([clientFlags(), option(Option.LIST_META_CONTEXT, contextData("web"))]);
  assert.deepEqual(types(list.answers), [OptionReply.META_CONTEXT, OptionReply.ACK]);
});

test("EXPORT_NAME is answered without a header, with 124 zeroes unless both do without; an unknown name ends it", () => {
  const named = (flags: number, name: string) =>
    shake([clientFlags(flags), option(Option.EXPORT_NAME, Buffer.from(name))]);
  assert.equal(named(3, "web").answers.length, 10);
  assert.equal(named(1, "").answers.length, 134);
  assert.equal(named(3, "web").state.kind, "agreed");
  assert.deepEqual(named(3, "other").state, { kind: "over" });
});

test("what cannot be done is refused by the protocol's numbers, and the handshake goes on", () => {
  const { ERR_UNSUP, ERR_INVALID, ERR_UNKNOWN, ERR_TOO_BIG, ACK, SERVER } = OptionReply;
  const cases: [Buffer, number[]][] = [
    [option(5), [ERR_UNSUP]],
    [option(11), [ERR_UNSUP]],
    [option(4711, Buffer.alloc(100)), [ERR_UNSUP]],
    [option(Option.LIST), [SERVER, ACK]],
    [option(Option.LIST, Buffer.alloc(1)), [ERR_INVALID]],
    [option(Option.STRUCTURED_REPLY, Buffer.alloc(4)), [ERR_INVALID]],
    [option(Option.INFO, infoData("other")), [ERR_UNKNOWN]],
    [option(Option.INFO, Buffer.concat([infoData("web"), Buffer.alloc(1)])), [ERR_INVALID]],
    [option(Option.INFO, Buffer.concat([uint32(0xffffffff), Buffer.from("web")])), [ERR_INVALID]],
    [option(Option.INFO, Buffer.concat([text("web"), uint16(0xffff)])), [ERR_INVALID]],
    [option(Option.INFO, Buffer.alloc(0)), [ERR_INVALID]],
    [option(Option.LIST_META_CONTEXT, Buffer.concat([text("web"), uint32(0xffffffff)])), [ERR_INVALID]],
    [option(Option.LIST_META_CONTEXT, contextData("other")), [ERR_UNKNOWN]],
    [option(Option.GO, Buffer.alloc(100_000)), [ERR_TOO_BIG]],
  ];
  for (const [frame, expected] of cases) {
    const { answers, state } = shake([clientFlags(), frame, option(Option.ABORT)]);
    assert.deepEqual(types(answers), [...expected, ACK], frame.subarray(0, 40).toString("hex"));
    assert.deepEqual(state, { kind: "over" });
  }
});

test("what is not the protocol ends it", () => {
  assert.deepEqual(shake([clientFlags(4)]).state, { kind: "over" });
  assert.deepEqual(shake([clientFlags(), Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]).state, { kind: "over" });
  const many = Array.from({ length: 300 }, () => option(Option.LIST));
  assert.deepEqual(shake([clientFlags(), ...many]).state, { kind: "over" });
});

test("30,000 handshakes that were tampered with end or go on, and no answer is endless", () => {
  const valid = [
    clientFlags(),
    option(Option.STRUCTURED_REPLY),
    option(Option.LIST),
    option(Option.SET_META_CONTEXT, contextData("web", "base:allocation", "x")),
    option(Option.INFO, infoData("web", Info.BLOCK_SIZE)),
    option(Option.GO, infoData("web", Info.NAME)),
  ];
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return seed % below;
  };
  for (let round = 0; round < 30_000; round++) {
    const bytes = Buffer.concat(valid.filter(() => random(4) > 0));
    for (let change = random(6); change > 0 && bytes.length > 0; change--) bytes[random(bytes.length)] = random(256);
    const cut = bytes.subarray(0, random(bytes.length + 1));
    const { answers } = shake([cut], 1 + random(64));
    assert.ok(answers.length < 4096);
  }
});
