import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { allLoops } from "../linux/loop.ts";
import { isMounted, mountTable } from "../linux/mount-table.ts";
import { testGraph } from "./testing/test-graph.ts";

test("a container is a snapshot of its layer, which is one of the base", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("layer");
  const layer = await set.get("layer");
  assert.equal(layer, join(graph.root, "mnt/layer/rootfs"));
  assert.equal(readFileSync(join(graph.root, "mnt/layer/id"), "utf8"), "layer");
  assert.equal(statSync(layer).mode & 0o777, 0o755);
  writeFileSync(join(layer, "from-layer"), "layer");
  await set.put("layer");
  assert.deepEqual(readdirSync(join(graph.root, "mnt")), []);

  await set.create("one", "layer");
  await set.create("two", "layer");
  const one = await set.get("one");
  assert.equal(readFileSync(join(one, "from-layer"), "utf8"), "layer");
  writeFileSync(join(one, "from-layer"), "changed");
  writeFileSync(join(one, "new"), "new");
  const two = await set.get("two");
  assert.equal(readFileSync(join(two, "from-layer"), "utf8"), "layer");
  assert.ok(!existsSync(join(two, "new")));
  await set.put("one");
  await set.put("two");
  assert.deepEqual(await set.check(), []);
  assert.deepEqual(
    (await set.devices()).map(({ id, deviceId, sizeBytes, transactionId }) => [id, deviceId, sizeBytes, transactionId]),
    [
      ["base", 1, 2 ** 29, 1],
      ["layer", 2, 2 ** 29, 2],
      ["one", 3, 2 ** 29, 3],
      ["two", 4, 2 ** 29, 4],
    ],
  );
  assert.deepEqual(await set.metadata("two"), {
    DeviceId: "4",
    DeviceSize: "536870912",
    DeviceName: set.poolName.replace(/pool$/, "two"),
  });
});

test("references are counted; the last one unmounts", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  const mountPoint = join(graph.root, "mnt/a");
  await Promise.all([set.get("a"), set.get("a"), set.get("a")]);
  await set.put("a");
  await set.put("a");
  assert.ok(isMounted(mountPoint));
  assert.equal((await set.device("a"))?.mountPoint, mountPoint);
  await set.put("a");
  assert.ok(!isMounted(mountPoint));
  await set.put("a");
});

test("what a process that is gone left mounted is unmounted by another", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const first = await graph.open();
  await first.create("a");
  const mountPoint = join(graph.root, "mnt/a");
  await first.get("a");
  await first.close();
  assert.ok(isMounted(mountPoint));
  const second = await graph.open();
  await second.get("a");
  await second.put("a");
  assert.ok(isMounted(mountPoint), "it was mounted before, for someone else");
  await second.put("a");
  assert.ok(!isMounted(mountPoint));
});

test("a device that another opener uses is not unmounted under it", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const [one, other] = [await graph.open(), await graph.open()];
  await one.create("a");
  const mountPoint = join(graph.root, "mnt/a");
  await one.get("a");
  await assert.rejects(other.put("a"), { code: "EBUSY" });
  await other.get("a");
  await one.put("a");
  assert.ok(isMounted(mountPoint));
  await other.put("a");
  assert.ok(!isMounted(mountPoint));
});

test("a snapshot of a mounted device holds what was written before", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  const path = await set.get("a");
  writeFileSync(join(path, "before"), "x".repeat(100_000));
  await set.create("b", "a");
  writeFileSync(join(path, "after"), "y");
  const copy = await set.get("b");
  assert.equal(readFileSync(join(copy, "before"), "utf8"), "x".repeat(100_000));
  assert.ok(!existsSync(join(copy, "after")));
  await set.put("b");
  await set.put("a");
});

test("a read-only mount becomes writable when someone asks for that", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  await set.get("a");
  await set.put("a");
  const path = await set.get("a", { readOnly: true });
  assert.throws(() => writeFileSync(join(path, "x"), ""), { code: "EROFS" });
  await set.get("a");
  writeFileSync(join(path, "x"), "");
  await set.put("a");
  await set.put("a");
});

test("wrong calls are refused with what is wrong", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  await assert.rejects(set.create("a"), { code: "EEXIST", message: /device a: it exists already/ });
  await assert.rejects(set.create("b", "nothing"), { code: "ENOENT", message: /parent nothing does not exist/ });
  await assert.rejects(set.create("b", "a", { sizeBytes: 1024 }), { code: "EINVAL", message: /cannot be smaller/ });
  await assert.rejects(set.create("../b"), { code: "EINVAL" });
  await assert.rejects(set.create("base"), { code: "EINVAL" });
  await assert.rejects(set.get("nothing"), { code: "ENOENT", message: /device nothing/ });
  await assert.rejects(set.get("base"), { code: "EINVAL" });
  await assert.rejects(set.metadata("nothing"), { code: "ENOENT" });
  await assert.rejects(set.deviceStatus("nothing"), { code: "ENOENT" });
  await assert.rejects(set.locateBlock("a", -1), { code: "EINVAL" });
  await assert.rejects(set.locateBlock("a", 2 ** 29 / 65536), { code: "EINVAL", message: /blocks 0 to 8191/ });
  await set.remove("nothing");
  assert.equal(await set.exists("a"), true);
  assert.equal(await set.exists("nothing"), false);
  assert.equal(await set.device("nothing"), undefined);
  await set.close();
  await assert.rejects(set.exists("a"), { code: "EBADF" });
});

test("a device can be active without being mounted", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  const device = await set.activate("a");
  assert.ok(statSync(device).isBlockDevice());
  assert.equal(await set.activate("a"), device);
  assert.equal((await set.device("a"))?.blockDevice, device);
  await set.deactivate("a");
  await set.deactivate("a");
  assert.equal((await set.device("a"))?.blockDevice, undefined);
});

test("shutdown unmounts and stops everything, and a start finds it all again", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  await set.create("b");
  writeFileSync(join(await set.get("a"), "kept"), "kept");
  await set.activate("b");
  await set.shutdown();
  assert.ok(!isMounted(join(graph.root, "mnt/a")));
  assert.deepEqual(await graph.mapper.list(), []);
  const left = [
    ...allLoops().map(({ backingFile }) => backingFile),
    ...mountTable().map(({ mountPoint }) => mountPoint),
  ];
  assert.deepEqual(
    left.filter((path) => path.startsWith(graph.root) || path.startsWith(graph.runDir)),
    [],
  );
  const again = await graph.open();
  assert.equal(readFileSync(join(await again.get("a"), "kept"), "utf8"), "kept");
  await again.put("a");
  assert.deepEqual(await again.check(), []);
  assert.deepEqual(graph.logged, []);
});

test("the status lines stand in docker's order", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  const lines = await set.status();
  assert.deepEqual(
    lines.map(([name]) => name),
    [
      "Pool Name",
      "Pool Blocksize",
      "Base Device Size",
      "Backing Filesystem",
      "Udev Sync Supported",
      "Data file",
      "Metadata file",
      "Data loop file",
      "Metadata loop file",
      "Data Space Used",
      "Data Space Total",
      "Data Space Available",
      "Metadata Space Used",
      "Metadata Space Total",
      "Metadata Space Available",
      "Thin Pool Minimum Free Space",
      "Deferred Removal Enabled",
      "Deferred Deletion Enabled",
      "Deferred Deleted Device Count",
      "Library Version",
    ],
  );
  const value = Object.fromEntries(lines);
  assert.match(value["Pool Name"], /^docker-\d+:\d+-\d+-pool$/);
  assert.equal(value["Pool Blocksize"], "65.54kB");
  assert.equal(value["Base Device Size"], "536.9MB");
  assert.equal(value["Backing Filesystem"], "ext4");
  assert.equal(value["Data loop file"], join(graph.root, "devicemapper/data"));
});
