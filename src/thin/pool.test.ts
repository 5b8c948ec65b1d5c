import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../linux/system-error.ts";
import { ThinError } from "./errors.ts";
import { TestPool } from "./testing/test-pool.ts";

const block = 65536;
const bytes = (length: number, value: number): Buffer => Buffer.alloc(length, value);

const refusal = (code: string) => (error: unknown) => error instanceof ThinError && error.code === code;

test("reads of what was never written are zeroes and allocate nothing", () => {
  const disks = new TestPool();
  const pool = disks.open();
  pool.message("create_thin 1");
  const volume = pool.activate(1, 2048, { tag: "a" });
  const buffer = bytes(3 * block, 0xff);
  assert.equal(volume.read(buffer, 0, 1000, 2 * block), 0);
  assert.ok(buffer.subarray(0, 2 * block).every((byte) => byte === 0));
  assert.equal(buffer[2 * block], 0xff);
  assert.equal(pool.metadata.allocatedDataBlocks, 0);
  assert.equal(pool.volumeStatus(1), "0 -");
});

test("status lines are the kernel's", () => {
  const disks = new TestPool({ metadataBlocks: 512, dataBlocks: 100 });
  const pool = disks.open();
  const line = /^0 \d+\/512 0\/100 - rw discard_passdown queue_if_no_space - 128$/;
  assert.match(pool.status(), line);
  pool.message("create_thin 1");
  const volume = pool.activate(1, 2048, { tag: "a" });
  volume.write(bytes(4096, 1), 0, 3 * block, 4096);
  volume.write(bytes(4096, 1), 0, 7 * block, 4096);
  assert.equal(pool.volumeStatus(1), "256 1023");
  pool.message("set_transaction_id 0 5");
  assert.match(pool.status(), /^5 \d+\/512 2\/100 - rw /);
  pool.message("reserve_metadata_snap");
  assert.match(pool.status(), new RegExp(`^5 \\d+/512 2/100 ${pool.metadata.heldRoot} rw `));
  assert.notEqual(pool.metadata.heldRoot, 0);
  disks.thinCheck();
  pool.message("release_metadata_snap");
  assert.match(pool.status(), /^5 \d+\/512 2\/100 - rw /);
  disks.thinCheck();
  assert.throws(() => pool.volumeStatus(2), refusal("ENODATA"));
  disks.tableLine = disks.tableLine.replace(/ 0$/, " 3 ignore_discard no_discard_passdown error_if_no_space");
  pool.close();
  assert.match(disks.open().status(), / rw ignore_discard error_if_no_space - 128$/);
});

test("messages answer with the kernel's errors", () => {
  const pool = new TestPool().open();
  pool.message("create_thin 1");
  assert.throws(() => pool.message("create_thin 1"), refusal("EEXIST"));
  assert.throws(() => pool.message("create_snap 2 9"), refusal("ENODATA"));
  pool.message("create_snap 2 1");
  assert.throws(() => pool.message("create_snap 2 1"), refusal("EEXIST"));
  assert.throws(() => pool.message("delete 3"), refusal("ENODATA"));
  pool.activate(2, 2048, { tag: "two" });
  assert.throws(() => pool.message("delete 2"), refusal("EBUSY"));
  assert.throws(() => pool.activate(2, 2048, { tag: "two" }), refusal("EBUSY"));
  assert.throws(() => pool.activate(7, 2048, { tag: "" }), refusal("ENODATA"));
  assert.throws(() => pool.message("set_transaction_id 3 4"), refusal("EINVAL"));
  assert.throws(() => pool.message("create_thin 16777216"), refusal("EINVAL"));
  assert.throws(() => pool.message("sing"), refusal("EINVAL"));
  assert.throws(() => pool.message("release_metadata_snap"), refusal("EINVAL"));
  pool.message("reserve_metadata_snap");
  assert.throws(() => pool.message("reserve_metadata_snap"), refusal("EBUSY"));
  pool.deactivate(2);
  assert.throws(() => pool.deactivate(2), refusal("ENODATA"));
  pool.message("delete 2");
  pool.message("create_thin 16777215");
});

test("a write breaks sharing by a copy, or without one where it covers the block", () => {
  const disks = new TestPool();
  const pool = disks.open();
  pool.message("create_thin 1");
  const origin = pool.activate(1, 2048, { tag: "" });
  origin.write(bytes(4 * block, 0x11), 0, 0, 4 * block);
  pool.message("create_snap 2 1");
  const snapshot = pool.activate(2, 2048, { tag: "" });
  let reads = 0;
  const read = disks.data.read.bind(disks.data);
  disks.data.read = (...range) => {
    reads++;
    return read(...range);
  };
  assert.equal(origin.write(bytes(block, 0x22), 0, block, block), 0);
  assert.equal(reads, 0);
  assert.equal(origin.write(bytes(512, 0x33), 0, 2 * block + 512, 512), 0);
  assert.equal(reads, 1);
  assert.equal(pool.metadata.allocatedDataBlocks, 6);
  // Once broken, sharing stays broken: no further block.
  assert.equal(origin.write(bytes(512, 0x44), 0, 2 * block, 512), 0);
  assert.equal(pool.metadata.allocatedDataBlocks, 6);
  const buffer = Buffer.alloc(4 * block);
  snapshot.read(buffer, 0, 0, 4 * block);
  assert.ok(buffer.equals(bytes(4 * block, 0x11)));
  origin.read(buffer, 0, 2 * block, 2 * block);
  assert.deepEqual([buffer[0], buffer[511], buffer[512], buffer[1023], buffer[1024]], [0x44, 0x44, 0x33, 0x33, 0x11]);
  pool.commit();
  disks.thinCheck();
});

test("new blocks are zeroed around what is written, unless skip_block_zeroing", () => {
  for (const skip of [false, true]) {
    const disks = new TestPool({
      dataBlocks: 4,
      features: ["no_discard_passdown", ...(skip ? ["skip_block_zeroing"] : [])],
    });
    const pool = disks.open();
    pool.message("create_thin 1");
    const volume = pool.activate(1, 512, { tag: "" });
    volume.write(bytes(4 * block, 0x55), 0, 0, 4 * block);
    volume.discard(0, 4 * block);
    pool.commit();
    volume.write(bytes(512, 0x66), 0, 1024, 512);
    const buffer = Buffer.alloc(block);
    volume.read(buffer, 0, 0, block);
    assert.equal(buffer[1024], 0x66);
    assert.equal(buffer[0], skip ? 0x55 : 0);
    assert.equal(buffer[block - 1], skip ? 0x55 : 0);
  }
});

test("discards unmap whole blocks and pass down after the commit, neighbours merged", () => {
  const disks = new TestPool();
  const pool = disks.open();
  pool.message("create_thin 1");
  const volume = pool.activate(1, 4096, { tag: "" });
  volume.write(bytes(8 * block, 7), 0, 0, 8 * block);
  pool.message("create_snap 2 1");
  volume.write(bytes(4 * block, 8), 0, 0, 4 * block);
  pool.commit();
  const events: string[] = [];
  disks.metadata.onEvent = ({ kind }) => events.push(`metadata ${kind}`);
  disks.data.onEvent = (event) =>
    events.push(event.kind === "discard" ? `discard ${event.length / block}` : event.kind);
  // Blocks 1 to 3 were its own; 4 to 6 are the snapshot's too, and block 0 and 7 are covered in part only.
  assert.equal(volume.discard(512, 7 * block), 0);
  assert.equal(events.length, 0);
  assert.equal(pool.commit(), 0);
  assert.equal(pool.metadata.allocatedDataBlocks, 9);
  assert.deepEqual(
    events.filter((event) => event.startsWith("discard")),
    ["discard 3"],
  );
  assert.equal(events.at(-1), "discard 3");
  assert.equal(pool.volumeStatus(1), `256 ${8 * 128 - 1}`);
  const buffer = Buffer.alloc(8 * block);
  volume.read(buffer, 0, 0, 8 * block);
  assert.deepEqual([buffer[0], buffer[block], buffer[6 * block], buffer[7 * block]], [8, 0, 0, 7]);
  disks.thinCheck();
});

test("no_discard_passdown keeps the data blocks, ignore_discard refuses", () => {
  const disks = new TestPool({ features: ["no_discard_passdown"] });
  let pool = disks.open();
  pool.message("create_thin 1");
  let volume = pool.activate(1, 4096, { tag: "" });
  volume.write(bytes(block, 7), 0, 0, block);
  const pages = disks.data.pages;
  assert.equal(volume.discard(0, block), 0);
  pool.commit();
  assert.equal(pool.metadata.allocatedDataBlocks, 0);
  assert.equal(disks.data.pages, pages);
  pool.close();
  disks.tableLine = disks.tableLine.replace("no_discard_passdown", "ignore_discard");
  pool = disks.open();
  volume = pool.activate(1, 4096, { tag: "" });
  assert.equal(volume.discard(0, block), -errno.EOPNOTSUPP);
  assert.equal(volume.punchHole(0, block), -errno.EOPNOTSUPP);
});

test("zeroing keeps what is unmapped unmapped and allocates nothing it need not", () => {
  const disks = new TestPool();
  const pool = disks.open();
  pool.message("create_thin 1");
  const volume = pool.activate(1, 4096, { tag: "" });
  assert.equal(volume.writeZeroes(100, 5 * block), 0);
  assert.equal(pool.metadata.allocatedDataBlocks, 0);
  volume.write(bytes(6 * block, 9), 0, 0, 6 * block);
  assert.equal(volume.writeZeroes(block - 512, block + 1024), 0);
  assert.equal(pool.metadata.allocatedDataBlocks, 6);
  pool.message("create_snap 2 1");
  // A whole shared block is unmapped, a part of one is zeroed in a copy.
  assert.equal(volume.writeZeroes(3 * block, block + 512), 0);
  assert.equal(pool.metadata.allocatedDataBlocks, 7);
  assert.equal(volume.punchHole(0, 2 * block), 0);
  assert.equal(pool.volumeStatus(1), `${3 * 128} ${6 * 128 - 1}`);
  const buffer = Buffer.alloc(6 * block);
  volume.read(buffer, 0, 0, 6 * block);
  const shown = [0, block, 2 * block + 511, 2 * block + 512, 3 * block, 4 * block, 4 * block + 512, 5 * block];
  assert.deepEqual(
    shown.map((at) => buffer[at]),
    [0, 0, 0, 9, 0, 0, 9, 9],
  );
  pool.commit();
  disks.thinCheck();
});

test("requests outside of the device are refused; a resized one has them", () => {
  const pool = new TestPool().open();
  pool.message("create_thin 1");
  const volume = pool.activate(1, 100, { tag: "" });
  const buffer = bytes(1024, 3);
  assert.equal(volume.write(buffer, 0, 100 * 512 - 512, 512), 0);
  for (const [offset, length] of [
    [100 * 512, 1],
    [100 * 512 - 512, 1024],
    [-1, 1],
    [0, 2 ** 60],
    [Number.NaN, 1],
  ]) {
    assert.equal(volume.read(buffer, 0, offset, length), -errno.EINVAL);
    assert.equal(volume.write(buffer, 0, offset, length), -errno.EINVAL);
    assert.equal(volume.discard(offset, length), -errno.EINVAL);
    assert.equal(volume.punchHole(offset, length), -errno.EINVAL);
  }
  pool.resizeVolume(1, 200);
  assert.equal(volume.read(buffer, 0, 100 * 512 - 512, 1024), 0);
  assert.deepEqual([buffer[0], buffer[512]], [3, 0]);
  assert.deepEqual(pool.active(), [{ id: 1, sizeSectors: 200, tag: "", externalOriginPath: undefined }]);
});

test("changes are committed within a second of the first, by tick", () => {
  const disks = new TestPool();
  const pool = disks.open();
  pool.message("create_thin 1");
  const volume = pool.activate(1, 4096, { tag: "" });
  assert.equal(pool.nextDeadlineMs(), Infinity);
  disks.nowMs = 5000;
  volume.write(bytes(512, 1), 0, 0, 512);
  disks.nowMs = 5900;
  volume.write(bytes(512, 1), 0, block, 512);
  assert.equal(pool.nextDeadlineMs(), 6000);
  pool.tick(5999);
  assert.equal(pool.metadata.changed, true);
  pool.tick(6000);
  assert.equal(pool.metadata.changed, false);
  assert.equal(pool.nextDeadlineMs(), Infinity);
});
