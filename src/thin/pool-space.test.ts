import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../linux/system-error.ts";
import { ThinError } from "./errors.ts";
import type { Pool } from "./pool.ts";
import { parsePoolTable } from "./pool-table.ts";
import { QUEUED } from "./request-status.ts";
import { TestPool } from "./testing/test-pool.ts";
import type { TestPoolOptions } from "./testing/test-pool.ts";
import type { ThinVolume } from "./volume.ts";

const block = 65536;
const data = Buffer.alloc(32 * block, 0x77);

function open(options: TestPoolOptions): { disks: TestPool; pool: Pool; volume: ThinVolume } {
  const disks = new TestPool(options);
  const pool = disks.open();
  pool.message("create_thin 1");
  return { disks, pool, volume: pool.activate(1, 1 << 20, { tag: "" }) };
}

function grow(disks: TestPool, pool: Pool, dataBlocks: number): void {
  disks.data.sizeBytes = dataBlocks * block;
  disks.tableLine = disks.tableLine.replace(/^0 \d+/, `0 ${dataBlocks * 128}`);
  pool.reload(parsePoolTable(disks.tableLine));
}

test("a full pool queues, and goes on when it is grown", () => {
  const { disks, pool, volume } = open({ dataBlocks: 8 });
  assert.equal(volume.write(data, 0, 0, 8 * block), 0);
  assert.match(pool.status(), / 8\/8 - rw /);
  const events = pool.events;
  assert.equal(volume.write(data, 0, 8 * block, 4096), QUEUED);
  assert.match(pool.status(), / 8\/8 - out_of_data_space discard_passdown queue_if_no_space - /);
  assert.ok(pool.events > events);
  // What is mapped goes on working.
  assert.equal(volume.write(data, 0, 0, 4096), 0);
  assert.equal(volume.read(Buffer.alloc(block), 0, 8 * block, block), 0);
  const generation = pool.retryGeneration;
  grow(disks, pool, 10);
  assert.notEqual(pool.retryGeneration, generation);
  assert.match(pool.status(), / 8\/10 - rw /);
  assert.equal(volume.write(data, 0, 8 * block, 4096), 0);
  assert.equal(volume.flush(), 0);
  disks.thinCheck();
});

test("a write that fits in part keeps a clean pool, and can be repeated whole", () => {
  const { disks, pool, volume } = open({ dataBlocks: 8 });
  assert.equal(volume.write(data, 0, block / 2, 12 * block), QUEUED);
  assert.equal(pool.metadata.allocatedDataBlocks, 8);
  assert.equal(pool.commit(), 0);
  disks.thinCheck();
  grow(disks, pool, 20);
  assert.equal(volume.write(data, 0, block / 2, 12 * block), 0);
  const buffer = Buffer.alloc(12 * block);
  assert.equal(volume.read(buffer, 0, block / 2, 12 * block), 0);
  assert.ok(buffer.equals(data.subarray(0, 12 * block)));
});

test("after sixty seconds queueing turns into errors, until there is space again", () => {
  const { disks, pool, volume } = open({ dataBlocks: 4 });
  volume.write(data, 0, 0, 4 * block);
  disks.nowMs = 1000;
  pool.commit();
  assert.equal(volume.write(data, 0, 4 * block, block), QUEUED);
  assert.equal(pool.nextDeadlineMs(), 61_000);
  pool.tick(60_999);
  assert.equal(volume.write(data, 0, 4 * block, block), QUEUED);
  const generation = pool.retryGeneration;
  pool.tick(61_000);
  assert.notEqual(pool.retryGeneration, generation);
  assert.equal(volume.write(data, 0, 4 * block, block), -errno.ENOSPC);
  assert.match(pool.status(), / out_of_data_space discard_passdown error_if_no_space /);
  grow(disks, pool, 6);
  assert.equal(volume.write(data, 0, 4 * block, block), 0);
  assert.match(pool.status(), / rw discard_passdown queue_if_no_space /);
});

test("error_if_no_space answers ENOSPC at once", () => {
  const { pool, volume } = open({ dataBlocks: 4, features: ["error_if_no_space"] });
  assert.equal(volume.write(data, 0, 0, 5 * block), -errno.ENOSPC);
  assert.match(pool.status(), / out_of_data_space discard_passdown error_if_no_space /);
});

test("discarding and deleting give a full pool its space back", () => {
  const { disks, pool, volume } = open({ dataBlocks: 4 });
  volume.write(data, 0, 0, 4 * block);
  assert.equal(volume.write(data, 0, 4 * block, block), QUEUED);
  let generation = pool.retryGeneration;
  assert.equal(volume.discard(0, block), 0);
  assert.notEqual(pool.retryGeneration, generation);
  assert.equal(volume.write(data, 0, 4 * block, block), 0);
  pool.message("create_thin 2");
  const other = pool.activate(2, 4096, { tag: "" });
  assert.equal(other.write(data, 0, 0, block), QUEUED);
  generation = pool.retryGeneration;
  pool.deactivate(1);
  pool.message("delete 1");
  assert.notEqual(pool.retryGeneration, generation);
  assert.equal(other.write(data, 0, 0, block), 0);
  pool.commit();
  disks.thinCheck();
});

test("blocks freed in the transaction are had by a commit, not by going out of space", () => {
  const { disks, pool, volume } = open({ dataBlocks: 4 });
  for (let round = 0; round < 20; round++) {
    assert.equal(volume.write(data, 0, round * 4 * block, 3 * block), 0);
    assert.equal(volume.discard(round * 4 * block, 3 * block), 0);
  }
  assert.match(pool.status(), / rw /);
  pool.commit();
  disks.thinCheck();
});

test("the low water mark raises one event, and again after growing", () => {
  const { disks, pool, volume } = open({ dataBlocks: 10, lowWaterMarkBlocks: 4 });
  const events = pool.events;
  volume.write(data, 0, 0, 5 * block);
  assert.equal(pool.events, events);
  volume.write(data, 0, 5 * block, block);
  assert.equal(pool.events, events + 1);
  volume.write(data, 0, 6 * block, block);
  assert.equal(pool.events, events + 1);
  grow(disks, pool, 20);
  assert.equal(pool.events, events + 1);
  volume.write(data, 0, 7 * block, 9 * block);
  assert.equal(pool.events, events + 2);
});

test("a full metadata device makes the pool read-only, and loses nothing acknowledged", () => {
  const { disks, pool, volume } = open({ dataBlocks: 4000, metadataBlocks: 64 });
  let written = 0;
  let status = 0;
  // Every second block, so that each mapping needs room of its own.
  for (; written < 3000 && status === 0; written++) {
    status = volume.write(data, 0, written * 7 * block, 4096);
    if (written % 40 === 39) pool.message(`create_snap ${1000 + written} 1`);
  }
  assert.equal(status, -errno.EIO);
  assert.match(pool.status(), / ro discard_passdown queue_if_no_space - 16$/);
  assert.throws(
    () => pool.message("create_thin 99"),
    (error) => error instanceof ThinError && error.code === "EOPNOTSUPP",
  );
  assert.equal(volume.flush(), 0);
  const successor = disks.powerCut();
  const again = successor.activate(1, 1 << 20, { tag: "" });
  const buffer = Buffer.alloc(4096);
  for (let index = 0; index < written - 1; index++) {
    assert.equal(again.read(buffer, 0, index * 7 * block, 4096), 0);
    assert.ok(buffer.equals(data.subarray(0, 4096)), `block ${index}`);
  }
  disks.thinCheck();
  // A larger metadata device ends it.
  disks.metadata.sizeBytes = 512 * 4096;
  successor.reload(successor.table);
  assert.equal(again.write(data, 0, written * 7 * block, 4096), 0);
  assert.match(successor.status(), /\/512 .* rw /);
  assert.equal(again.flush(), 0);
  disks.thinCheck();
});

test("a full disk of the host is waited for, and commits are kept back", () => {
  const { disks, pool, volume } = open({});
  volume.write(data, 0, 0, block);
  disks.data.failure = { write: -errno.ENOSPC };
  disks.metadata.failure = { write: -errno.ENOSPC };
  assert.equal(volume.write(data, 0, block, block), QUEUED);
  assert.equal(volume.flush(), QUEUED);
  assert.match(pool.status(), / out_of_data_space /);
  const generation = pool.retryGeneration;
  pool.tick((disks.nowMs = 1000));
  assert.notEqual(pool.retryGeneration, generation);
  assert.equal(volume.write(data, 0, block, block), QUEUED);
  // The engine may die and come back meanwhile: the first write was acknowledged.
  const successor = disks.kill();
  const again = successor.volume(1);
  assert.ok(again);
  const buffer = Buffer.alloc(block);
  assert.equal(again.read(buffer, 0, 0, block), 0);
  assert.equal(buffer[0], 0x77);
  disks.data.failure = {};
  disks.metadata.failure = {};
  successor.tick((disks.nowMs = 3000));
  assert.equal(again.write(data, 0, block, block), 0);
  assert.equal(again.flush(), 0);
  assert.match(successor.status(), / rw /);
  disks.thinCheck();
});
