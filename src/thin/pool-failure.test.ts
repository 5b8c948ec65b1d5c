import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../linux/system-error.ts";
import { ThinError } from "./errors.ts";
import { poolMode } from "./pool-mode.ts";
import type { Pool } from "./pool.ts";
import { TestPool, thinCheck } from "./testing/test-pool.ts";
import type { ThinVolume } from "./volume.ts";

const block = 65536;
const data = Buffer.alloc(32 * block, 0x77);
const other = Buffer.alloc(block, 0x78);

function open(disks = new TestPool()): { disks: TestPool; pool: Pool; volume: ThinVolume } {
  const pool = disks.open();
  pool.message("create_thin 1");
  return { disks, pool, volume: pool.activate(1, 4096, { tag: "name" }) };
}

function firstByte(volume: ThinVolume, offset: number): number {
  const buffer = Buffer.alloc(512);
  assert.equal(volume.read(buffer, 0, offset, 512), 0);
  return buffer[0];
}

test("a data device's error goes to the caller and leaves no trace", () => {
  const { disks, pool, volume } = open();
  assert.equal(volume.write(data, 0, 0, block), 0);
  pool.message("create_snap 2 1");
  disks.data.failure = { write: -errno.EIO };
  assert.equal(volume.write(data, 0, 0, block), -errno.EIO);
  assert.equal(volume.write(data, 0, 512, 512), -errno.EIO);
  assert.equal(volume.write(data, 0, 4 * block, 3 * block), -errno.EIO);
  disks.data.failure = { read: -errno.EIO };
  assert.equal(volume.read(Buffer.alloc(block), 0, 0, block), -errno.EIO);
  assert.equal(volume.write(data, 0, 512, 512), -errno.EIO);
  disks.data.failure = {};
  assert.match(pool.status(), / 1\/256 - rw /);
  assert.equal(firstByte(volume, 0), 0x77);
  assert.equal(pool.commit(), 0);
  disks.thinCheck();
});

for (const [what, fail] of [
  ["a metadata write", (disks: TestPool) => (disks.metadata.failure = { write: -errno.EIO })],
  ["a metadata flush", (disks: TestPool) => (disks.metadata.failure = { flush: -errno.EIO })],
] as const) {
  test(`${what} that fails at a commit for good: the pool fails`, () => {
    const { disks, pool, volume } = open();
    volume.write(data, 0, 0, block);
    fail(disks);
    assert.ok(volume.flush() < 0);
    assert.equal(pool.status(), "Fail");
    assert.equal(pool.volumeStatus(1), "Fail");
    assert.equal(volume.read(Buffer.alloc(512), 0, 0, 512), -errno.EIO);
    assert.equal(volume.write(data, 0, 0, 512), -errno.EIO);
    assert.equal(volume.discard(0, block), -errno.EIO);
    assert.equal(volume.flush(), -errno.EIO);
    assert.throws(() => pool.message("create_thin 5"), ThinError);
    assert.throws(() => pool.activate(5, 8, { tag: "" }), ThinError);
    pool.reload(pool.table);
    assert.equal(pool.mode, poolMode.fail);
  });
}

test("a commit that fails by the data flush aborts, asks for a check and makes the pool read-only", () => {
  const { disks, pool, volume } = open();
  volume.write(data, 0, 0, block);
  assert.equal(volume.flush(), 0);
  pool.message("create_thin 2");
  const bystander = pool.activate(2, 4096, { tag: "" });
  assert.equal(volume.write(data, 0, 2 * block, block), 0);
  disks.data.failure = { flush: -errno.EIO };
  assert.equal(volume.flush(), -errno.EIO);
  disks.data.failure = {};
  assert.match(pool.status(), / ro discard_passdown queue_if_no_space needs_check /);
  // What was acknowledged and is lost makes this device's flushes fail, as in the kernel; others' do not.
  assert.equal(volume.flush(), -errno.EIO);
  assert.equal(bystander.flush(), 0);
  assert.equal(firstByte(volume, 0), 0x77);
  assert.equal(firstByte(volume, 2 * block), 0);
  // Mapped and unshared blocks are still written.
  assert.equal(volume.write(other, 0, 0, 512), 0);
  assert.equal(volume.write(other, 0, 5 * block, 512), -errno.EIO);
  assert.throws(
    () => pool.message("create_thin 3"),
    (error) => error instanceof ThinError && error.code === "EOPNOTSUPP",
  );
  // The flag outlives engine and machine, and keeps the pool from writing.
  pool.reload(pool.table);
  assert.match(pool.status(), / ro .* needs_check /);
  const again = disks.kill();
  assert.match(again.status(), / ro .* needs_check /);
  assert.deepEqual(
    again.active().map(({ id }) => id),
    [1, 2],
  );
  thinCheck(disks.metadata, "--clear-needs-check-flag");
});

test("a read-only pool serves what is mapped and refuses changes", () => {
  const { disks, pool, volume } = open();
  volume.write(data, 0, 0, block);
  pool.close();
  disks.tableLine = disks.tableLine.replace(/ 0$/, " 1 read_only");
  const readOnly = disks.open();
  const again = readOnly.activate(1, 4096, { tag: "" });
  assert.equal(firstByte(again, 0), 0x77);
  assert.equal(again.write(other, 0, 0, 512), 0);
  assert.equal(again.write(other, 0, block, 512), -errno.EIO);
  assert.equal(again.discard(0, block), 0);
  assert.equal(firstByte(again, 0), 0x78);
  assert.match(readOnly.status(), / ro /);
});

test("damaged metadata fails the request, by name in the log, not the engine", () => {
  const { disks, pool, volume } = open();
  volume.write(data, 0, 0, 4 * block);
  pool.close();
  // Everything but the superblock reads as other bytes from now on, once opened.
  const reopened = disks.open();
  const again = reopened.activate(1, 4096, { tag: "" });
  const read = disks.metadata.read.bind(disks.metadata);
  disks.metadata.read = (into, at, offset, length) => {
    const status = read(into, at, offset, length);
    if (offset > 0) into[at + 100] ^= 0xff;
    return status;
  };
  assert.ok(again.read(Buffer.alloc(512), 0, 0, 512) < 0);
  assert.ok(again.write(data, 0, 0, 512) < 0);
  assert.ok(
    disks.log.some((line) => line.includes("btree node")),
    disks.log.join("\n"),
  );
});

test("when the journal cannot be written, changes are committed at once instead", () => {
  const { disks, pool, volume } = open();
  disks.journal.failure = -errno.ENOSPC;
  assert.equal(volume.write(data, 0, 0, block), 0);
  assert.equal(pool.metadata.changed, false);
  assert.equal(volume.discard(0, block), 0);
  assert.equal(pool.metadata.changed, false);
  assert.equal(volume.write(data, 0, 3 * block, block), 0);
  disks.journal.failure = 0;
  const again = disks.powerCut().activate(1, 4096, { tag: "" });
  assert.equal(firstByte(again, 0), 0);
  assert.equal(firstByte(again, 3 * block), 0x77);
});

test("a message answered once is not carried out twice, wherever the engine died", () => {
  const { disks, pool, volume } = open();
  volume.write(data, 0, 0, block);
  assert.equal(pool.answerOf("7"), undefined);
  pool.message("create_snap 9 1", { requestId: "7" });
  let again = disks.kill();
  assert.equal(again.answerOf("7"), "");
  assert.ok(again.metadata.has(9));
  again.activate(9, 4096, { tag: "nine", requestId: "8" });
  again.resizeVolume(9, 8192, { requestId: "9" });
  again.rememberAnswer("10", "forty-two");
  again.reload(again.table, { requestId: "11" });
  again = disks.kill();
  assert.deepEqual(
    ["7", "8", "9", "10", "11"].map((id) => again.answerOf(id)),
    ["", "", "", "forty-two", ""],
  );
  assert.deepEqual(again.active(), [
    { id: 1, sizeSectors: 4096, tag: "name", externalOriginPath: undefined },
    { id: 9, sizeSectors: 8192, tag: "nine", externalOriginPath: undefined },
  ]);
  again.deactivate(9, { requestId: "12" });
  again = disks.kill();
  assert.equal(again.answerOf("12"), "");
  assert.equal(again.volume(9), undefined);
  again.close();
  const fresh = disks.open();
  assert.deepEqual([fresh.answerOf("7"), fresh.active()], [undefined, []]);
});

test("answers beyond the last 64 are forgotten and the journal stays short", () => {
  const { disks, pool } = open();
  const long = "x".repeat(50_000);
  for (let id = 0; id < 300; id++) pool.rememberAnswer(`${id}`, long);
  assert.ok(disks.journal.bytes.length < 5_000_000, `${disks.journal.bytes.length}`);
  const again = disks.kill();
  assert.equal(again.answerOf("299"), long);
  assert.equal(again.answerOf("236"), long);
  assert.equal(again.answerOf("235"), undefined);
});

test("an engine that dies before it passed down what a commit freed leaves that to the next", () => {
  const { disks, pool, volume } = open();
  volume.write(data, 0, 0, 8 * block);
  volume.discard(0, 8 * block);
  const keep = disks.data.discard.bind(disks.data);
  disks.data.discard = () => 0;
  pool.commit();
  assert.ok(disks.data.pages > 0);
  disks.data.discard = keep;
  disks.kill();
  assert.equal(disks.data.pages, 0);
});
