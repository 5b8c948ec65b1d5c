import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { attachLoop, detachLoop } from "../../linux/loop.ts";
import { testGraph } from "../testing/test-graph.ts";

/** A block device: loop on a sparse file, detached after the test. */
function blockDevice(t: TestContext, file: string, bytes: number): string {
  mkdirSync(dirname(file), { recursive: true });
  const fd = openSync(file, "wx");
  ftruncateSync(fd, bytes);
  closeSync(fd);
  const device = attachLoop(file, { directIo: false });
  t.after(() => detachLoop(device, { deferred: true }));
  return device;
}

test("a pool on block devices: dm.datadev and dm.metadatadev, space discarded on them", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const disk = join(dirname(graph.root), "disks", "data");
  const data = blockDevice(t, disk, 2 * 2 ** 30);
  const metadata = blockDevice(t, join(dirname(disk), "metadata"), 64 * 2 ** 20);
  const options = [`dm.datadev=${data}`, `dm.metadatadev=${metadata}`, "dm.basesize=512M", "dm.blkdiscard=true"];
  const set = await graph.open({ storageOptions: options });
  const status = new Map(await set.status());
  assert.equal(status.get("Data file"), data);
  assert.equal(status.get("Metadata file"), metadata);
  assert.equal(status.get("Data loop file"), undefined);

  await set.create("a");
  const before = statSync(disk).blocks * 512;
  writeFileSync(join(await set.get("a"), "big"), Buffer.alloc(40 * 2 ** 20, 1));
  await set.put("a");
  assert.ok(statSync(disk).blocks * 512 > before + 39 * 2 ** 20);
  await set.create("b", "a");
  await graph.stop();
  execFileSync("thin_check", ["-q", metadata], {
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` },
  });

  const again = await graph.open();
  assert.equal(readFileSync(join(await again.get("b"), "big")).length, 40 * 2 ** 20);
  await again.put("b");
  await again.remove("b");
  await again.remove("a");
  assert.ok(statSync(disk).blocks * 512 < before + 8 * 2 ** 20, "the data device was told what is free");
  await graph.stop();
});
