import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../linux/system-error.ts";
import { TestPool } from "../thin/testing/test-pool.ts";
import { batchPieces } from "./batch-pieces.ts";
import { mostMessageBytes } from "./control-message.ts";
import { carryOutBatch } from "./message-batch.ts";

const snapshots = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `create_snap ${from + index} 0`);

const ids = ({ pool }: TestPool): number[] => [...pool.metadata.details()].map(({ id }) => id);

test("a batch is carried out in order and is on the disk afterwards", () => {
  const disks = new TestPool();
  disks.open();
  assert.deepEqual(carryOutBatch(disks.pool, ["create_thin 0", ...snapshots(1, 100)], "a"), { done: 100 });
  disks.powerCut();
  assert.equal(ids(disks).length, 100);
});

test("it stops at the first that fails, and what came before is on the disk", () => {
  const disks = new TestPool();
  disks.open();
  const { done, error } = carryOutBatch(
    disks.pool,
    ["create_thin 0", "create_snap 1 0", "create_snap 1 0", "delete 0"],
    "a",
  );
  assert.equal(done, 2);
  assert.equal((error as { code: string }).code, "EEXIST");
  disks.powerCut();
  assert.deepEqual(ids(disks), [0, 1]);
});

test("one that an engine died over goes on where it was, and each of its messages is carried out once", () => {
  const disks = new TestPool();
  disks.open();
  const batch = [
    "create_thin 0",
    "create_snap 1 0",
    "delete 1",
    "create_snap 1 0",
    "delete 0",
    "set_transaction_id 0 5",
  ];
  for (let died = 0; died <= batch.length; died++) {
    for (const [done, message] of batch.slice(0, died).entries())
      disks.pool.message(message, { requestId: `${died}/progress`, commit: "later", answer: String(done + 1) });
    disks.kill();
    assert.deepEqual(carryOutBatch(disks.pool, batch, String(died)), { done: batch.length });
    assert.deepEqual(carryOutBatch(disks.pool, batch, String(died)), { done: batch.length }, "once more");
    assert.deepEqual(ids(disks), [1]);
    disks.pool.message("delete 1");
    disks.pool.message("set_transaction_id 5 0");
  }
});

test("messages that went with a transaction count as not done", () => {
  const disks = new TestPool();
  disks.open();
  disks.metadata.failure = { write: -errno.EIO };
  const { done, error } = carryOutBatch(disks.pool, ["create_thin 0", "create_thin 1"], "a");
  assert.equal(done, 0);
  assert.equal((error as { code: string }).code, "EIO");
  disks.metadata.failure = {};
  disks.powerCut();
  assert.deepEqual(ids(disks), []);
});

test("many messages go in pieces that fit, a line each, none lost", () => {
  const messages = [...snapshots(0, 5000), "create_thin\n 7 ", "", "x".repeat(mostMessageBytes), "", ""];
  const pieces = [...batchPieces(messages)];
  assert.deepEqual(
    pieces.flat(),
    messages.map((message) => message.trim().replace(/\s+/g, " ")),
  );
  const fitting = pieces.filter((piece) => piece.join("\n").length < mostMessageBytes - 100);
  assert.equal(pieces.length - fitting.length, 1, "the one message that is too long by itself");
  assert.deepEqual([...batchPieces([])], []);
});
