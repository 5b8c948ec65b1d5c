import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MetadataStore } from "../files/metadata-store.ts";
import { testGraph } from "../testing/test-graph.ts";

test("a start makes the pool and the files agree, both ways", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("kept");
  await set.create("lost");
  await graph.mapper.message(set.poolName, "create_snap 77 1");
  const { DeviceId } = await set.metadata("lost");
  await graph.mapper.message(set.poolName, `delete ${DeviceId}`);
  assert.deepEqual(await set.check(), [
    "device lost has a file, but is not in the pool",
    "device id 77 is in the pool, but no file names it",
  ]);
  writeFileSync(join(graph.root, "metadata/.tmp-kept-1-1"), "half");
  await graph.stop();
  const again = await graph.open();
  assert.deepEqual(await again.check(), []);
  assert.deepEqual(
    (await again.devices()).map(({ id }) => id),
    ["base", "kept"],
  );
  const log = graph.logged.join("\n");
  assert.match(log, /warn: device lost is not in the pool: its file is removed/);
  assert.match(log, /warn: device id 77 in the pool belongs to no device of the graph: it is deleted/);
  await again.create("lost");
});

test("nothing is deleted from the pool while a file cannot be read", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  await graph.stop();
  writeFileSync(join(graph.root, "metadata/a"), "{");
  const again = await graph.open();
  assert.match(graph.logged.join("\n"), /error: Cannot read .*metadata\/a'/);
  assert.equal((await graph.mapper.usage(again.poolName)).devices.length, 2);
  assert.match((await again.check()).join("\n"), /metadata\/a'/);
  await again.create("b");
});

test("a pool without the base but with files of many devices is another pool", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  await graph.stop();
  rmSync(join(graph.root, "devicemapper/metadata"));
  await assert.rejects(graph.open(), { code: "EFOREIGN", message: /devicemapper\/metadata' is gone/ });
  writeFileSync(join(graph.root, "devicemapper/metadata"), "");
  await assert.rejects(graph.open(), { code: "EFOREIGN", message: /does not hold its base device, nor 1 of its 1/ });
  assert.deepEqual([...new MetadataStore(graph.root).devices().devices.keys()], ["a", "base"]);
});

test("a given pool is used as it is, and nobody else's devices are touched", async (t) => {
  const [owner, guest] = [testGraph(t), testGraph(t)];
  if (owner === undefined || guest === undefined) return;
  const { poolName } = await owner.open();
  const options = { deviceMapper: owner.mapper, storageOptions: [`dm.thinpooldev=${poolName}`, "dm.basesize=300M"] };
  const set = await guest.open(options);
  assert.equal(set.poolName, poolName);
  assert.equal(set.options.blkDiscard, false);
  await set.create("a");
  await set.get("a");
  await set.put("a");
  assert.deepEqual(
    (await set.status()).map(([name]) => name).filter((name) => name.endsWith("file")),
    [],
  );
  await set.shutdown();
  assert.equal((await owner.mapper.info(poolName))?.target, "thin-pool");
  assert.equal((await owner.mapper.usage(poolName)).devices.length, 3);
});
