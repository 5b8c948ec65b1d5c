import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { blockBytes } from "../persistent-data/block.ts";
import { MetadataFullError } from "../persistent-data/metadata-error.ts";
import { ThinMetadata } from "./metadata.ts";
import {
  engineDump,
  haveThinTools,
  makeBlockFile,
  RecordingBlockFile,
  thinCheckComplaints,
  thinDump,
  withFolder,
} from "./metadata.testing.ts";

function nothing(): void {
  // There is no data here to flush.
}

function fill(metadata: ThinMetadata, id: number, begin: number, end: number): void {
  const mapping = metadata.openDevice(id);
  for (let block = begin; block < end; block++) mapping.insert(block, metadata.allocateDataBlock());
}

function makeMetadata(blocks = 2000, dataBlocks = 20_000): ThinMetadata {
  return ThinMetadata.formatOn(new RecordingBlockFile(blocks), { dataBlockSize: 128, dataBlocks });
}

/** Runs `body` on a file and has the tools judge what it commits. */
async function judged(
  t: { skip: (why: string) => void },
  options: { blocks: number; dataBlocks: number },
  body: (metadata: ThinMetadata, judge: () => void, path: string) => void,
): Promise<void> {
  if (!haveThinTools) return t.skip("thin-provisioning-tools are not installed");
  await withFolder((folder) => {
    const path = join(folder, "metadata");
    makeBlockFile(path, options.blocks);
    assert.ok(ThinMetadata.isEmpty(path));
    const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: options.dataBlocks });
    assert.ok(!ThinMetadata.isEmpty(path));
    const judge = (): void => {
      metadata.commit(nothing);
      assert.equal(thinCheckComplaints(path), "");
      assert.deepEqual(thinDump(path), engineDump(metadata));
    };
    judge();
    body(metadata, judge, path);
    judge();
    metadata.close();
  });
}

test("errors have the kernel's codes", () => {
  const metadata = makeMetadata();
  metadata.createThin(1);
  assert.throws(() => metadata.createThin(1), { code: "EEXIST" });
  assert.throws(() => metadata.createSnapshot(1, 1), { code: "EEXIST" });
  assert.throws(() => metadata.createSnapshot(2, 3), { code: "ENODATA" });
  assert.throws(() => metadata.deleteThin(2), { code: "ENODATA" });
  assert.throws(() => metadata.openDevice(2), { code: "ENODATA" });
  assert.throws(() => metadata.createThin(2 ** 24), { code: "EINVAL" });
  assert.throws(() => metadata.setTransactionId(1, 2), { code: "EINVAL" });
  metadata.openDevice(1);
  assert.throws(() => metadata.deleteThin(1), { code: "EBUSY" });
  metadata.closeDevice(1);
  metadata.deleteThin(1);
  assert.throws(() => metadata.releaseMetadataSnapshot(), { code: "EINVAL" });
  metadata.reserveMetadataSnapshot(nothing);
  assert.throws(() => metadata.reserveMetadataSnapshot(nothing), { code: "EBUSY" });
  assert.throws(() => metadata.resizeData(1), { code: "EINVAL" });
  assert.throws(() => metadata.resizeMetadata(3000), { code: "EINVAL" });
});

test("data is flushed before the metadata that refers to it", () => {
  const file = new RecordingBlockFile(1000);
  const metadata = ThinMetadata.formatOn(file, { dataBlockSize: 128, dataBlocks: 100 });
  metadata.createThin(1);
  fill(metadata, 1, 0, 10);
  file.steps.length = 0;
  let stepsBefore = -1;
  metadata.commit(() => (stepsBefore = file.steps.length));
  assert.equal(stepsBefore, 0);
  const order = file.steps.map((step) => (step === "flush" ? step : step.write === 0 ? "superblock" : "block"));
  assert.deepEqual(
    order.filter((step, i) => step !== order[i - 1]),
    ["block", "flush", "superblock", "flush"],
  );
  file.steps.length = 0;
  let flushed = false;
  metadata.commit(() => (flushed = true));
  assert.ok(flushed);
  assert.equal(file.steps.length, 0, "nothing changed, nothing is written");
});

test("a block freed is not given out again before the commit", () => {
  const metadata = makeMetadata(2000, 10);
  metadata.createThin(1);
  fill(metadata, 1, 0, 10);
  metadata.commit(nothing);
  assert.equal(metadata.allocateDataBlock(), -1);
  const freed: number[] = [];
  metadata.openDevice(1).remove(3, 5, (block) => freed.push(block));
  assert.deepEqual(freed, [3, 4]);
  assert.equal(metadata.freeDataBlocks, 2);
  assert.equal(metadata.allocateDataBlock(), -1);
  metadata.commit(nothing);
  assert.equal(metadata.allocateDataBlock(), 3);
  metadata.releaseDataBlock(3);
  metadata.allocateDataBlockAt(4);
  assert.throws(() => metadata.allocateDataBlockAt(4), { code: "EINVAL" });
});

test("the superblock's digest changes with each commit, and not with needs_check", () => {
  const metadata = makeMetadata();
  metadata.createThin(1);
  const digests = new Set([metadata.superblockChecksum()]);
  for (let round = 0; round < 5; round++) {
    fill(metadata, 1, round, round + 1);
    assert.ok(digests.has(metadata.superblockChecksum()), "not before the commit");
    metadata.commit(nothing);
    digests.add(metadata.superblockChecksum());
  }
  assert.equal(digests.size, 6);
  fill(metadata, 1, 100, 200);
  metadata.setNeedsCheck();
  assert.ok(digests.has(metadata.superblockChecksum()));
  metadata.abort();
  assert.ok(metadata.needsCheck);
  assert.equal(metadata.openDevice(1).lookup(100), -1);
  assert.equal(metadata.openDevice(1).lookup(4), 4);
  metadata.clearNeedsCheck();
  metadata.abort();
  assert.ok(!metadata.needsCheck);
});

test("a device opened stays usable over abort; one that was never committed is gone", () => {
  const metadata = makeMetadata();
  metadata.createThin(1);
  metadata.commit(nothing);
  metadata.createThin(2);
  const gone = metadata.openDevice(2);
  const kept = metadata.openDevice(1);
  kept.insert(7, metadata.allocateDataBlock());
  metadata.abort();
  assert.equal(kept.lookup(7), -1);
  kept.insert(7, metadata.allocateDataBlock());
  assert.equal(kept.lookup(7), 0);
  assert.throws(() => gone.lookup(0), { code: "ENODATA" });
});

test("reference counts beyond a byte come and go", (t) =>
  judged(t, { blocks: 4000, dataBlocks: 20_000 }, (metadata, judge) => {
    metadata.createThin(0);
    fill(metadata, 0, 0, 100);
    for (let id = 1; id <= 300; id++) {
      metadata.createSnapshot(id, 0);
      if (id % 2 === 0) continue;
      // A write of its own copies the leaf, and so counts every block of it once more.
      fill(metadata, id, 50, 51);
      if (id % 50 === 1) judge();
    }
    judge();
    assert.ok(metadata.dataReferenceCount(0) > 150);
    for (let id = 0; id <= 300; id++) fill(metadata, id, 20, 21);
    judge();
    assert.ok(metadata.dataReferenceCount(0) > 253);
    for (let id = 300; id >= 0; id--) {
      metadata.closeDevice(id);
      metadata.deleteThin(id);
      if (id % 60 === 0) judge();
    }
    assert.equal(metadata.allocatedDataBlocks, 0);
  }));

test("data and metadata grow", (t) =>
  judged(t, { blocks: 200, dataBlocks: 1000 }, (metadata, judge, path) => {
    metadata.createThin(1);
    fill(metadata, 1, 0, 1000);
    assert.equal(metadata.allocateDataBlock(), -1);
    for (const blocks of [16_320, 16_321, 40_000]) {
      metadata.resizeData(blocks);
      assert.equal(metadata.dataBlocks, blocks);
      fill(metadata, 1, blocks - 400, blocks);
      judge();
    }
    assert.equal(metadata.freeDataBlocks, 40_000 - 1801); // The second 400 lie upon the first, but for one.
    truncateSync(path, 17_000 * blockBytes);
    assert.equal(metadata.metadataDeviceBlocks, 17_000);
    metadata.resizeMetadata(17_000);
    judge();
    assert.equal(metadata.metadataBlocks, 17_000);
    fill(metadata, 1, 100_000, 130_000);
    judge();
  }));

test("a full metadata device is noticed before, survived, and cured by growth", (t) =>
  judged(t, { blocks: 64, dataBlocks: 20_000 }, (metadata, judge, path) => {
    metadata.createThin(1);
    fill(metadata, 1, 0, 1000);
    judge();
    assert.ok(!metadata.metadataLow());
    const before = engineDump(metadata);
    let low = 0;
    assert.throws(
      () => {
        for (let block = 0; ; block++) {
          if (metadata.metadataLow()) low++;
          fill(metadata, 1, block * 1000, block * 1000 + 1);
        }
      },
      (error) => error instanceof MetadataFullError && error.code === "ENOSPC",
    );
    assert.ok(low > 0);
    metadata.abort();
    assert.deepEqual(engineDump(metadata), before);
    judge();
    metadata.openDevice(1).remove(0, 500);
    judge();
    truncateSync(path, 500 * blockBytes);
    metadata.resizeMetadata(metadata.metadataDeviceBlocks);
    fill(metadata, 1, 0, 15_000);
  }));

test("a metadata device larger than the format can use is used as far as it can", (t) =>
  judged(t, { blocks: 255 * 16_320 + 5000, dataBlocks: 1000 }, (metadata) => {
    assert.equal(metadata.metadataBlocks, 255 * 16_320);
  }));

test("more mappings than fit in memory at once are still found", () => {
  const metadata = makeMetadata(30_000, 100_000);
  metadata.createThin(1);
  // One block in each chunk: twice as many chunks as are kept.
  const mapping = metadata.openDevice(1);
  const chunks = 33_000;
  for (let chunk = 0; chunk < chunks; chunk++) {
    assert.equal(mapping.lookup(128 * chunk + 3), -1);
    mapping.insert(128 * chunk + 3, metadata.allocateDataBlock());
  }
  for (let chunk = 0; chunk < chunks; chunk++) assert.equal(mapping.lookup(128 * chunk + 3), chunk);
});

test("a snapshot of a snapshot of a snapshot costs no more than the first", () => {
  const metadata = makeMetadata(20_000);
  metadata.createThin(0);
  fill(metadata, 0, 0, 2000);
  metadata.commit(nothing);
  const used: number[] = [];
  for (let id = 1; id < 1000; id++) {
    const before = metadata.allocatedMetadataBlocks;
    metadata.createSnapshot(id, id - 1);
    used.push(metadata.allocatedMetadataBlocks - before);
    metadata.commit(nothing);
  }
  assert.ok(Math.max(...used) <= 4, "at most a few nodes of the trees of devices are new");
  assert.equal(metadata.openDevice(999).lookup(1999), 1999);
  assert.ok(metadata.openDevice(999).isShared());
});
