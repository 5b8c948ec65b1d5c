import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { deflateSync } from "node:zlib";
import { madePools } from "./thin-pools.ts";
import { lacksDebiansTools, ours, scratchFolder, theirs } from "./thin-tools-support.ts";

function pack(...pieces: Buffer[]): Buffer {
  const header = Buffer.alloc(32);
  for (const [i, value] of [0xa537a0aa6309ef77n, 3n, 4096n, 100n].entries()) header.writeBigUInt64LE(value, 8 * i);
  const framed = pieces.map((piece) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(piece.length));
    return Buffer.concat([length, piece]);
  });
  return Buffer.concat([header, ...framed]);
}

/** A piece of one block: its number, and what instructions say. */
function piece(block: number, ...instructions: number[]): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(block));
  return deflateSync(Buffer.concat([number, Buffer.from(instructions)]));
}

suite("thin_metadata_pack and thin_metadata_unpack", () => {
  test("give the metadata back, from a file much smaller", (t) => {
    if (lacksDebiansTools(t)) return;
    for (const at of [1, 3, 5]) {
      const folder = scratchFolder(t);
      const [pool, packed, unpacked] = ["pool", "packed", "unpacked"].map((name) => join(folder, name));
      madePools[at].make(pool);
      const first = ours("thin_metadata_pack", "-i", pool, "-o", packed);
      assert.equal(first.status, 0, first.stderr);
      assert.ok(statSync(packed).size < statSync(pool).size / 20, `${statSync(packed).size} bytes`);
      const second = ours("thin_metadata_unpack", "-i", packed, "-o", unpacked);
      assert.equal(second.status, 0, second.stderr);
      assert.equal(statSync(unpacked).size, statSync(pool).size);
      assert.equal(theirs("thin_check", "-q", unpacked).status, 0);
      assert.ok(theirs("thin_dump", unpacked).stdout === theirs("thin_dump", pool).stdout);
    }
  });

  test("every instruction of the format is carried out", (t) => {
    const folder = scratchFolder(t);
    const packed = join(folder, "packed");
    const unpacked = join(folder, "unpacked");
    // 1000, 1003 ×2, 1003 ×3, 1002 ×17, 1258 ×2, 1000 …, then a literal, then 2 numbers of two parts; zeroes to the end.
    const instructions = [
      ...[0x02, 0xe8, 0x03],
      ...[0x72, 0x13],
      ...[0x53],
      ...[0x31, 0x60, 0x10],
      ...[0x80, 0x02, 0x22, 0x00, 0x01],
      ...[0x42, 0x00, 0x01],
      ...[0x98, 1, 2, 3, 4, 5, 6, 7, 8],
      ...[0xa1, 16, ...new Array<number>(16).fill(9)],
      ...[0xb0, 0x02, 0x01, 0x05, 0x11, 0x01, 0x07, 0x51],
      ...[0x01, 0x00, 0x61, 0xe0],
    ];
    writeFileSync(packed, pack(piece(2, ...instructions)));
    const { status, stderr } = ours("thin_metadata_unpack", "-i", packed, "-o", unpacked);
    assert.equal(status, 0, stderr);
    const block = readFileSync(unpacked).subarray(2 * 4096, 3 * 4096);
    const numbers = Array.from({ length: 512 }, (_, i) => block.readBigUInt64LE(8 * i));
    const literal = [0x0807060504030201n, 0x0909090909090909n, 0x0909090909090909n];
    const expected = [1000, 1003, 1006, 1006, 1006, 1006, 1005, ...new Array<number>(16).fill(1005), 1261, 1517, 1261];
    assert.deepEqual(numbers.slice(0, 31), [...expected.map(BigInt), ...literal, (5n << 24n) | 7n, (6n << 24n) | 7n]);
    assert.ok(numbers.slice(31).every((number) => number === 0n));
  });

  test("what is no packed metadata, or damaged, is refused, and nothing is written over unasked", (t) => {
    const folder = scratchFolder(t);
    const packed = join(folder, "packed");
    const unpacked = join(folder, "unpacked");
    const whole = pack(piece(2, 0x01, 0x00, 0x61, 0xff, 0x61, 0x00));
    for (const [bytes, says] of [
      [Buffer.from("<superblock"), /it is no packed metadata/],
      [whole.subarray(0, -3), /ends within a piece/],
      [pack(Buffer.from("nothing of zlib's")), /cannot be decompressed/],
      [pack(piece(100, 0x01, 0, 0x61, 0xff)), /Cannot unpack/],
      [pack(piece(2, 0xf0)), /no instruction 15/],
      [pack(piece(2, 0x03)), /no numbers of 3 bytes/],
      [pack(piece(2, 0x6f, 0xff)), /more than a block/],
      [pack(piece(2, 0xa4, 0xff, 0xff, 0xff, 0xff)), /more than a block/],
      [pack(piece(2, 0x01, 0x00)), /ends within a block/],
    ] as const) {
      writeFileSync(packed, bytes);
      const { status, stderr } = ours("thin_metadata_unpack", "-f", "-i", packed, "-o", unpacked);
      assert.equal(status, 1);
      assert.match(stderr, says);
      assert.ok(!stderr.includes("    at "));
    }
    madePools[0].make(unpacked);
    const before = readFileSync(unpacked);
    assert.match(ours("thin_metadata_unpack", "-i", packed, "-o", unpacked).stderr, /there already.*--force/);
    assert.match(ours("thin_metadata_pack", "-i", unpacked, "-o", packed).stderr, /there already.*--force/);
    assert.ok(readFileSync(unpacked).equals(before));
  });
});
