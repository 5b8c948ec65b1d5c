import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, readSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { MetadataStore } from "../files/metadata-store.ts";
import { smallSizes, testGraph } from "../testing/test-graph.ts";

function allocatedBytes(path: string): number {
  return statSync(path).blocks * 512;
}

test("a removed container's space goes back to the host", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("layer");
  writeFileSync(join(await set.get("layer"), "kept"), Buffer.alloc(4 * 2 ** 20, 1));
  await set.put("layer");
  const data = join(graph.root, "devicemapper/data");
  const before = allocatedBytes(data);
  await set.create("a", "layer");
  writeFileSync(join(await set.get("a"), "big"), Buffer.alloc(40 * 2 ** 20, 1));
  await set.put("a");
  assert.ok(allocatedBytes(data) > before + 39 * 2 ** 20);
  await set.remove("a");
  assert.ok(allocatedBytes(data) < before + 2 ** 20, `${before} before, ${allocatedBytes(data)} after`);
  assert.equal(statSync(join(await set.get("layer"), "kept")).size, 4 * 2 ** 20);
  await set.put("layer");
});

test("without dm.blkdiscard the pool has the space free, the host not", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: [...smallSizes, "dm.blkdiscard=false"] });
  const used = async () => Number((await graph.mapper.status(set.poolName)).split(" ")[5].split("/")[0]);
  const before = await used();
  await set.create("a");
  writeFileSync(join(await set.get("a"), "big"), Buffer.alloc(20 * 2 ** 20, 1));
  await set.put("a");
  const allocated = allocatedBytes(join(graph.root, "devicemapper/data"));
  await set.remove("a");
  assert.equal(await used(), before);
  assert.equal(allocatedBytes(join(graph.root, "devicemapper/data")), allocated);
});

test("a device in use is deleted when its last user has gone", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  await set.get("a");
  await set.remove("a");
  assert.equal(await set.exists("a"), false);
  assert.equal(new MetadataStore(graph.root).device("a")?.deleted, true);
  assert.equal(Object.fromEntries(await set.status())["Deferred Deleted Device Count"], "1");
  await assert.rejects(set.create("b", "a"), { code: "ENOENT" });
  await set.retryDeletions();
  assert.equal((await set.device("a"))?.deleted, true);
  await set.put("a");
  await set.retryDeletions();
  assert.equal(await set.device("a"), undefined);
  assert.equal(Object.fromEntries(await set.status())["Deferred Deleted Device Count"], "0");
  assert.deepEqual(readdirSync(join(graph.root, "mnt")), []);
  await set.create("a");
});

test("a device that someone has open, mounted or not, loses nothing by its removal", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  const fd = openSync(await set.activate("a"), "r");
  const start = () => {
    const bytes = Buffer.alloc(4096);
    readSync(fd, bytes, 0, bytes.length, 0);
    return bytes.toString("hex");
  };
  const before = start();
  await set.remove("a");
  assert.equal((await set.device("a"))?.deleted, true);
  assert.equal(start(), before);
  closeSync(fd);
  await set.retryDeletions();
  assert.equal(await set.device("a"), undefined);
});

test("a start deletes what waited for it", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  await set.get("a");
  await set.remove("a");
  await graph.stop();
  const again = await graph.open();
  assert.equal(await again.device("a"), undefined);
  assert.deepEqual(await again.check(), []);
});

test("without deferred deletion, removal waits for a busy device", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({
    storageOptions: [...smallSizes, "dm.use_deferred_removal=false", "dm.use_deferred_deletion=false"],
  });
  const value = Object.fromEntries(await set.status());
  assert.equal(value["Deferred Removal Enabled"], "false");
  assert.equal(value["Deferred Deletion Enabled"], "false");
  await set.create("a");
  const fd = openSync(await set.activate("a"), "r");
  const mounted = await set.get("a");
  assert.ok(mounted);
  let removed = false;
  const removal = set.remove("a").then(() => {
    removed = true;
  });
  await sleep(300);
  assert.equal(removed, false);
  closeSync(fd);
  // `put` waits behind the removal for the device; only someone else can free it now.
  const { unmount } = await import("../../linux/mount.ts");
  unmount(join(graph.root, "mnt/a"));
  await removal;
  assert.equal(await set.device("a"), undefined);
});

test("below the minimum free space no device is made", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({
    storageOptions: ["dm.basesize=512M", "dm.loopdatasize=128M", "dm.loopmetadatasize=64M", "dm.min_free_space=50%"],
  });
  await set.create("a");
  writeFileSync(join(await set.get("a"), "big"), Buffer.alloc(80 * 2 ** 20, 1));
  await set.put("a");
  await assert.rejects(set.create("b", "a"), {
    code: "ENOSPC",
    message: /free data blocks, and dm\.min_free_space=50% asks for 1024/,
  });
  await set.remove("a");
  await set.create("b");
});

test("a pool grows with dm.loopdatasize, and does not shrink", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const total = async (set: Awaited<ReturnType<typeof graph.open>>) =>
    Object.fromEntries(await set.status())["Data Space Total"];
  const first = await graph.open();
  assert.equal(await total(first), "4.295GB");
  await first.close();
  const running = await graph.open({ storageOptions: ["dm.loopdatasize=5G"] });
  assert.equal(await total(running), "5.369GB");
  await graph.stop();
  const smaller = await graph.open({ storageOptions: ["dm.loopdatasize=1G"] });
  assert.equal(await total(smaller), "5.369GB");
  assert.match(graph.logged.join("\n"), /warn: .*devicemapper\/data.*cannot be shrunk/);
});

test("a pool's block size is settled", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await (await graph.open({ storageOptions: [...smallSizes, "dm.blocksize=128K"] })).close();
  const set = await graph.open();
  assert.equal(Object.fromEntries(await set.status())["Pool Blocksize"], "131.1kB");
  await assert.rejects(graph.open({ storageOptions: ["dm.blocksize=64K"] }), {
    code: "EINVAL",
    message: /dm\.blocksize/,
  });
});
