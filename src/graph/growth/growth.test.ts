import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { attachLoop, detachLoop, refreshLoopSize } from "../../linux/loop.ts";
import { ThinMetadata } from "../../thin/metadata.ts";
import { checkMetadata } from "../testing/check-metadata.ts";
import { poolState, whileHeld } from "../testing/pool-watch.ts";
import { until } from "../../linux/testing/until.ts";
import { testGraph } from "../testing/test-graph.ts";
import { inKernel } from "../testing/test-mapper.ts";

const mebibyte = 2 ** 20;
/** Fills quickly. */
const tiny = ["dm.basesize=1G", "dm.loopdatasize=256M", "dm.loopmetadatasize=16M", "dm.min_free_space=0%"];

test("loopback files grow to a size, by a size and by a share, and the graph remembers", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: tiny });
  assert.deepEqual(await set.growPool({ dataBytes: 512 * mebibyte, metadataBytes: { addBytes: 16 * mebibyte } }), {
    before: { dataBytes: 256 * mebibyte, metadataBytes: 16 * mebibyte },
    after: { dataBytes: 512 * mebibyte, metadataBytes: 32 * mebibyte },
  });
  const { after } = await set.growPool({ dataBytes: { addPercent: 25 } });
  assert.equal(after.dataBytes, 640 * mebibyte);
  const status = new Map(await set.status());
  assert.equal(status.get("Data Space Total"), "671.1MB");
  assert.equal(status.get("Metadata Space Total"), "33.55MB");
  assert.equal(statSync(join(graph.root, "devicemapper/data")).size, 640 * mebibyte);
  const kept = readFileSync(join(graph.root, "storage-options.json"), "utf8");
  assert.match(kept, /"dm.loopdatasize=671088640"/);
  assert.match(kept, /"dm.loopmetadatasize=33554432"/);
  await set.create("a");
  assert.deepEqual(await set.check(), []);
  await graph.stop();
  checkMetadata(join(graph.root, "devicemapper/metadata"));

  const again = await graph.open();
  assert.equal(new Map(await again.status()).get("Data Space Total"), "671.1MB");
  assert.deepEqual(await again.check(), []);
  await graph.stop();
  assert.deepEqual(
    graph.logged.filter((line) => !line.startsWith("info")),
    [],
  );
});

test("what a pool cannot grow to is refused, and changes nothing", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: tiny });
  const file = join(graph.root, "devicemapper/data");
  await assert.rejects(set.growPool({ dataBytes: 128 * mebibyte }), { code: "EINVAL", message: /made smaller/ });
  await assert.rejects(set.growPool({ metadataBytes: 17 * 2 ** 30 }), {
    code: "EINVAL",
    message: /no more than 17\.05 GB/,
  });
  await assert.rejects(set.growPool(), { code: "EINVAL", message: /Say how large/ });
  assert.equal(statSync(file).size, 256 * mebibyte);
  assert.doesNotMatch(readFileSync(join(graph.root, "storage-options.json"), "utf8"), /loopdatasize=\d{10}/);
  const { before, after } = await set.growPool({ dataBytes: 256 * mebibyte });
  assert.deepEqual(before, after);
  await assert.rejects(set.growPool({ dataBytes: 2 ** 42 }), { code: "EINVAL", message: /Grow the metadata too/ });
  await set.growPool({ dataBytes: 2 ** 42, metadataBytes: 2 ** 26 });
  assert.match(graph.logged.join("\n"), /warn: '.*data' may come to 4\.398 TB, but its file system has only/);
  await graph.stop();

  const metadata = ThinMetadata.open(join(graph.root, "devicemapper/metadata"));
  metadata.setNeedsCheck();
  metadata.close();
  await assert.rejects(graph.open(), {
    code: "EROFS",
    message: /need of a check.*thin_check --clear-needs-check-flag .*devicemapper\/metadata/,
  });
});

test("a pool that was given is its maker's to grow", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: tiny });
  const other = join(dirname(graph.root), "other");
  const guest = await graph.open({
    root: other,
    storageOptions: [`dm.thinpooldev=${set.poolName}`, "dm.basesize=256M"],
  });
  await assert.rejects(guest.growPool({ dataBytes: { addPercent: 20 } }), { code: "ENOTSUP", message: /lvextend/ });
  await guest.shutdown();
  await graph.stop();
});

test("a growth that was cut short is completed, by the next one or by a start with options", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: tiny });
  const [data, metadata] = [join(graph.root, "devicemapper/data"), join(graph.root, "devicemapper/metadata")];
  truncateSync(data, 384 * mebibyte);
  const { after } = await set.growPool();
  assert.equal(after.dataBytes, 384 * mebibyte);

  truncateSync(data, 512 * mebibyte);
  truncateSync(metadata, 24 * mebibyte);
  await graph.open({ storageOptions: ["dm.loopdatasize=512M"] });
  let state = await poolState(graph.mapper, set.poolName);
  assert.deepEqual([state.totalDataBlocks, state.totalMetadataBlocks], [8192, 6144]);

  truncateSync(data, 640 * mebibyte);
  truncateSync(metadata, 32 * mebibyte);
  await graph.stop();
  checkMetadata(metadata);
  await graph.open();
  state = await poolState(graph.mapper, set.poolName);
  assert.deepEqual([state.totalDataBlocks, state.totalMetadataBlocks], [10240, 8192]);
  await graph.stop();
  checkMetadata(metadata);
});

/** A block device: loop on a sparse file, detached after the test. */
function blockDevice(t: TestContext, file: string, bytes: number): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "", { flag: "wx" });
  truncateSync(file, bytes);
  const device = attachLoop(file);
  t.after(() => detachLoop(device, { deferred: true }));
  return device;
}

test("on block devices the pool takes what they have by now", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const disks = join(dirname(graph.root), "disks");
  const data = blockDevice(t, join(disks, "data"), 512 * mebibyte);
  const metadata = blockDevice(t, join(disks, "metadata"), 16 * mebibyte);
  const options = [`dm.datadev=${data}`, `dm.metadatadev=${metadata}`, "dm.basesize=256M"];
  const set = await graph.open({ storageOptions: options });
  const nothing = await set.growPool();
  assert.deepEqual(nothing.before, nothing.after);
  await assert.rejects(set.growPool({ dataBytes: { addPercent: 50 } }), {
    code: "EINVAL",
    message: /Make the device larger first/,
  });
  truncateSync(join(disks, "data"), 1024 * mebibyte);
  truncateSync(join(disks, "metadata"), 32 * mebibyte);
  for (const device of [data, metadata]) refreshLoopSize(device);
  const { after } = await set.growPool({ dataBytes: { addPercent: 50 } });
  assert.deepEqual(after, { dataBytes: 1024 * mebibyte, metadataBytes: 32 * mebibyte });
  await set.create("a");
  assert.deepEqual(await set.check(), []);
  await graph.stop();
  checkMetadata(metadata);
});

test("writes that a full pool holds go on when it has grown, also while a snapshot waits for them", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: tiny });
  await set.create("full");
  const file = join(await set.get("full"), "file");
  const dd = spawn("dd", ["if=/dev/zero", `of=${file}`, "bs=1M", "count=400", "oflag=direct", "status=none"]);
  const ended = once(dd, "exit");
  await whileHeld(set, ended, async () => {
    await until("it is full", async () => (await poolState(graph.mapper, set.poolName)).mode === "out_of_data_space");
    // It takes the graph's lock, and waits for the file system, which waits for space.
    const snapshot = set.create("of-full", "full");
    const other = await graph.open();
    await other.growPool({ dataBytes: 1024 * mebibyte });
    await snapshot;
  });
  assert.deepEqual(await ended, [0, null]);
  assert.equal(statSync(file).size, 400 * mebibyte);
  await set.put("full");
  assert.equal((await poolState(graph.mapper, set.poolName)).mode, "rw");
  assert.deepEqual(await set.check(), []);
  await graph.stop();
  checkMetadata(join(graph.root, "devicemapper/metadata"));
});

test(
  "a pool that ran out of metadata comes back by growing that",
  { skip: inKernel && "the kernel asks for a check" },
  async (t) => {
    const graph = testGraph(t);
    if (graph === undefined) return;
    const set = await graph.open({ storageOptions: [...tiny, "dm.loopmetadatasize=4M"] });
    const { mapper } = graph;
    await assert.rejects(async () => {
      for (let id = 1000; id < 3000; id++) await mapper.message(set.poolName, `create_thin ${id}`);
    });
    const full = await poolState(mapper, set.poolName);
    assert.deepEqual([full.mode, full.needsCheck], ["ro", false]);
    await assert.rejects(set.create("a"), { code: "EROFS" });
    await assert.rejects(set.growPool({ dataBytes: { addPercent: 10 } }), {
      code: "EROFS",
      message: /metadata is full, grow that/,
    });
    await set.growPool({ metadataBytes: { addPercent: 100 } });
    assert.equal((await poolState(mapper, set.poolName)).mode, "rw");
    await set.create("a");
    await graph.stop();
    checkMetadata(join(graph.root, "devicemapper/metadata"));
  },
);
