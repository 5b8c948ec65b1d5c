import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MetadataStore } from "../files/metadata-store.ts";
import { readFileSystem } from "./file-system-superblock.ts";
import { smallSizes, testGraph, type TestGraph } from "../testing/test-graph.ts";
import { inKernel, interceptMapper } from "../testing/test-mapper.ts";

/** The last option of a name counts. */
const withOptions = (...options: string[]) => ({ storageOptions: [...smallSizes, ...options] });

function storedSet(graph: TestGraph) {
  return new MetadataStore(graph.root).deviceSet()!;
}

test("an ext4 base has no periodic check, and its UUID is stored", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  const device = await set.activate("a");
  const facts = readFileSystem(device);
  assert.equal(facts?.type, "ext4");
  assert.equal(facts.uuid, storedSet(graph).baseDeviceUuid);
  assert.equal(facts.sizeBytes, 2 ** 29);
  assert.equal(facts.periodicCheck, false);
  assert.match(execFileSync("tune2fs", ["-l", device], { encoding: "utf8" }), /Maximum mount count:\s+-1\n/);
  execFileSync("e2fsck", ["-fn", device], { stdio: "pipe" });
});

test("an XFS base, and two of its snapshots mounted at once", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open(withOptions("dm.fs=xfs", "dm.xfs_nospace_max_retries=0"));
  assert.equal(storedSet(graph).baseDeviceFileSystem, "xfs");
  await set.create("a");
  await set.create("b");
  writeFileSync(join(await set.get("a"), "x"), "x");
  writeFileSync(join(await set.get("b"), "x"), "y");
  assert.equal(readFileSync(join(graph.root, "mnt/a/rootfs/x"), "utf8"), "x");
  assert.deepEqual(graph.logged, []);
  await set.put("a");
  await set.put("b");
  await set.create("big", "a", { sizeBytes: 2 ** 30 });
  const { blocks, bsize } = statfsSync(await set.get("big"));
  assert.ok(blocks * bsize > 0.9 * 2 ** 30);
  await set.put("big");
  const device = await set.activate("big");
  execFileSync("xfs_repair", ["-n", device], { stdio: "pipe" });
  assert.equal(readFileSystem(device)?.uuid, storedSet(graph).baseDeviceUuid);
});

test("a container may be larger than its image", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("image");
  writeFileSync(join(await set.get("image"), "x"), "x");
  await set.create("big", "image", { sizeBytes: 2 ** 30 });
  await set.put("image");
  assert.equal((await set.device("big"))?.sizeBytes, 2 ** 30);
  const path = await set.get("big");
  const { blocks, bsize } = statfsSync(path);
  assert.ok(blocks * bsize > 0.9 * 2 ** 30);
  assert.equal(readFileSync(join(path, "x"), "utf8"), "x");
  await set.put("big");
  execFileSync("e2fsck", ["-fn", await set.activate("big")], { stdio: "pipe" });
});

test("a larger dm.basesize grows the base, and stays; a smaller one is refused", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await (await graph.open()).close();
  const grown = await graph.open({ storageOptions: ["dm.basesize=1G"] });
  await grown.create("a");
  const { blocks, bsize } = statfsSync(await grown.get("a"));
  assert.ok(blocks * bsize > 0.9 * 2 ** 30);
  await grown.put("a");
  await grown.close();
  const later = await graph.open();
  assert.equal(later.options.baseSizeBytes, 2 ** 30);
  await later.close();
  await assert.rejects(graph.open({ storageOptions: ["dm.basesize=512M"] }), {
    code: "EINVAL",
    message: /dm\.basesize.*536\.9 MB.*1\.074 GB/,
  });
});

test("once there is a base, its file system wins", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await (await graph.open()).close();
  const set = await graph.open({ storageOptions: ["dm.fs=xfs"] });
  assert.match(graph.logged.join("\n"), /warn: dm\.fs=xfs has no effect/);
  await set.create("a");
  await set.get("a");
  await set.put("a");
});

test("arguments for mkfs are used, and wrong ones told", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await assert.rejects(graph.open(withOptions("dm.mkfsarg=--no-such-option")), {
    message: /mkfs\.ext4.*no-such-option/,
  });
  assert.deepEqual(await graph.mapper.list(), [], "a start that failed leaves no pool running");
  const set = await graph.open(withOptions("dm.mkfsarg=-O ^has_journal", "dm.mkfsarg=-E stride=16 -m 0"));
  await set.create("a");
  const features = execFileSync("tune2fs", ["-l", await set.activate("a")], { encoding: "utf8" });
  assert.match(features, /RAID stride:\s+16/);
  assert.doesNotMatch(features, /has_journal/);
});

test("a base that was not completed is made again", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await (await graph.open()).close();
  const store = new MetadataStore(graph.root);
  store.writeDevice("base", { ...store.device("base")!, initialized: false });
  const set = await graph.open();
  await set.create("a");
  await set.get("a");
  await set.put("a");
  assert.deepEqual(await set.check(), []);
  assert.equal((await set.devices()).length, 2);
});

test("another pool's base is refused", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await (await graph.open()).close();
  const store = new MetadataStore(graph.root);
  store.writeDeviceSet({ ...store.deviceSet()!, baseDeviceUuid: "00000000-0000-0000-0000-000000000000" });
  await graph.stop();
  await assert.rejects(graph.open(), { code: "EFOREIGN", message: /UUID/ });
  assert.deepEqual(await graph.mapper.list(), []);
});

test("a device mapper without udev sync is refused unless overridden", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const mapper = interceptMapper(graph.mapper, () => undefined);
  const without = new Proxy(mapper, {
    get: (target, name) => (name === "udevSyncSupported" ? false : (Reflect.get(target, name) as unknown)),
  });
  await assert.rejects(graph.open({ deviceMapper: without, ...withOptions("dm.override_udev_sync_check=false") }), {
    code: "ENOTSUP",
    message: /override_udev_sync_check/,
  });
  const set = await graph.open({ deviceMapper: without, ...withOptions("dm.override_udev_sync_check=true") });
  assert.equal(Object.fromEntries(await set.status())["Udev Sync Supported"], "false");
});

test("what needs LVM or a pool of the kernel is refused plainly", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await assert.rejects(
    graph.open({ storageOptions: ["dm.directlvm_device=/dev/sdz"] }),
    inKernel ? { code: "EINVAL", message: /no such device/ } : { code: "ENOTSUP", message: /has no LVM/ },
  );
  await assert.rejects(graph.open({ storageOptions: ["dm.thinpooldev=no-such-pool"] }), {
    code: "ENXIO",
    message: /no-such-pool/,
  });
  await assert.rejects(graph.open({ storageOptions: ["dm.datadev=/dev/null"] }), {
    code: "EINVAL",
    message: /no block device/,
  });
});
