import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { DeviceMapper } from "../../device-mapper/device-mapper.ts";
import { attachLoop, detachLoop, loopsOf } from "../../linux/loop.ts";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { isMounted } from "../../linux/mount-table.ts";
import { openDeviceSet, shutdownGraph, type DeviceSet } from "../graph.ts";
import { hostSpace } from "../pool/host-space.ts";
import { checkMetadata } from "../testing/check-metadata.ts";
import { fill, monitorLog, monitorOf, poolState, whileHeld } from "../testing/pool-watch.ts";
import { until } from "../../linux/testing/until.ts";
import { scratchFolder } from "../testing/scratch-folder.ts";
import { testGraph } from "../testing/test-graph.ts";
import { inKernel, testMapper } from "../testing/test-mapper.ts";

const mebibyte = 2 ** 20;
const tiny = ["dm.basesize=1G", "dm.loopdatasize=256M", "dm.loopmetadatasize=16M", "dm.min_free_space=0%"];
const environment = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };

/** Copies a file of random bytes again and again, keeps every copy and compares each with the original at the end. */
const writer = `set -e
cd "$1"
head -c 8388608 /dev/urandom > original
sum=$(sha256sum < original)
for round in $(seq 1 40); do cp original "copy-$round"; if [ $((round % 8)) = 0 ]; then sync -f .; fi; done
sync -f .
for copy in copy-*; do [ "$(sha256sum < "$copy")" = "$sum" ]; done`;

test("a file system under load does not notice that its pool grows, by hand and by itself at once", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: tiny, autogrow: { step: "64M" } });
  const other = await graph.open();
  await set.create("a");
  const child = spawn("sh", ["-c", writer, "sh", await set.get("a")], { stdio: "inherit" });
  const ended = once(child, "exit");
  for (let round = 0; round < 8; round++) {
    await Promise.all([
      set.growPool({ dataBytes: { addBytes: 16 * mebibyte } }),
      other.growPool({ metadataBytes: { addBytes: mebibyte } }),
      other.create(`b${round}`, "a"),
    ]);
  }
  assert.deepEqual(await ended, [0, null]);
  const { totalMetadataBlocks, totalDataBlocks, mode } = await poolState(graph.mapper, set.poolName);
  assert.equal(mode, "rw");
  assert.equal(totalMetadataBlocks, (16 + 8) * 256);
  assert.ok(totalDataBlocks >= (256 + 8 * 16) * 16);
  await set.put("a");
  const device = await set.activate("a");
  execFileSync("e2fsck", ["-fn", device], { env: environment, stdio: "pipe" });
  await set.deactivate("a");
  assert.deepEqual(await set.check(), []);
  await graph.stop();
  checkMetadata(join(graph.root, "devicemapper/metadata"));
});

test("shutdown comes in the middle of it", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const begin = { storageOptions: tiny, autogrow: { threshold: "50%", step: "1M" } };
  for (let round = 0; round < 3; round++) {
    const set: DeviceSet = await graph.open(existsSync(graph.root) ? { ...begin, storageOptions: [] } : begin);
    await set.create(`r${round}`);
    // The monitor grows at about this moment.
    assert.equal(await fill(join(await set.get(`r${round}`), "file"), 60), 0);
    await set.put(`r${round}`);
    await graph.stop();
    assert.equal(monitorOf(graph.root), "none");
    checkMetadata(join(graph.root, "devicemapper/metadata"));
  }
});

test("on loopback files it stops before the host's disk is full", async (t) => {
  if (process.getuid?.() !== 0 || !existsSync("/dev/loop-control") || (!inKernel && !existsSync("/dev/fuse"))) {
    t.skip("needs root, loop devices and FUSE, or the kernel's thin-pool target");
    return;
  }
  const opened: DeviceSet[] = [];
  const folder = scratchFolder(t, async () => {
    try {
      for (const set of opened) await set.close();
      await shutdownGraph({ root, deviceMapper: mapper });
    } finally {
      if (isMounted(host)) await unmountAsync(host, { lazy: true });
      for (const device of loopsOf(image)) detachLoop(device, { deferred: true });
    }
  });
  const [host, image, run] = [join(folder, "host"), join(folder, "disk"), join(folder, "run")];
  const root = join(host, "graph");
  const mapper = testMapper(run);
  for (const made of [host, run]) mkdirSync(made);
  writeFileSync(image, "");
  truncateSync(image, 800 * mebibyte);
  execFileSync("mkfs.ext4", ["-q", "-m", "0", image], { env: environment });
  await mountAsync(attachLoop(image), host, "ext4");

  const options = inKernel ? [...tiny, "dm.override_udev_sync_check=true"] : tiny;
  const set = await openDeviceSet({ root, deviceMapper: mapper, storageOptions: options });
  opened.push(set);
  await stopsBeforeTheHostIsFull(set, root, mapper);
});

async function stopsBeforeTheHostIsFull(set: DeviceSet, root: string, mapper: DeviceMapper): Promise<void> {
  await assert.rejects(set.growPool({ dataBytes: 2 ** 45, metadataBytes: 2 ** 28 }), {
    code: "ENOSPC",
    message: /cannot be that large/,
  });
  await set.create("a");
  const filled = fill(join(await set.get("a"), "file"), Math.floor((hostSpace(root).total * 0.9) / mebibyte));
  await whileHeld(set, filled, async () => {
    const mayGrow = "would be more than 90% full";
    await until("it is full", async () => (await poolState(mapper, set.poolName)).mode === "out_of_data_space");
    await until("the monitor said why", () => monitorLog(mapper, set.poolName).includes(mayGrow));
    const { used, total } = hostSpace(root);
    assert.ok(used < total * 0.91, `the host's disk has ${used} of ${total} in use`);
    assert.equal(monitorLog(mapper, set.poolName).split(mayGrow).length, 2);
    // What it does not do by itself can be told.
    await set.growPool({ dataBytes: { addBytes: 128 * mebibyte } });
  });
  assert.equal(await filled, 0);
  await set.put("a");
  await set.shutdown();
  checkMetadata(join(root, "devicemapper/metadata"));
}
