import assert from "node:assert/strict";
import { closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { attachLoop, detachLoop } from "../src/linux/loop.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { lacksRequirement } from "./cli-support.ts";
import { madePools } from "./thin-pools.ts";
import { ours, scratchFolder } from "./thin-tools-support.ts";

function loopOn(t: TestContext, path: string): string {
  const device = attachLoop(path);
  t.after(() => detachLoop(device));
  return device;
}

test("the tools work on block devices, and refuse those that something holds", (t) => {
  if (lacksRequirement(t)) return;
  const folder = scratchFolder(t);
  const [metadata, xml] = ["metadata", "xml"].map((name) => join(folder, name));
  madePools.find(({ hasSnapshot }) => hasSnapshot === true)!.make(metadata);
  const expected = ours("thin_dump", metadata).stdout;
  writeFileSync(xml, expected);
  const device = loopOn(t, metadata);
  assert.equal(ours("thin_check", "-q", device).status, 0);
  assert.ok(ours("thin_dump", device).stdout === expected);

  // As a pool in the kernel, or a mounted file system, holds it.
  const holder = openSync(device, constants.O_RDONLY | constants.O_EXCL);
  for (const path of [device, metadata]) {
    for (const [tool, ...words] of [["thin_check"], ["thin_dump"], ["thin_restore", "-i", xml, "-o"]]) {
      const { status, stderr } = ours(tool, ...words, path);
      assert.equal(status, 1, `${tool} ${path}`);
      assert.match(stderr, /^Cannot (read|write to) .*in use|open exclusively/);
    }
    assert.equal(ours("thin_check", "-q", "-m", path).status, 0);
  }
  closeSync(holder);
  assert.equal(ours("thin_restore", "-i", xml, "-o", device).status, 0);
  assert.ok(ours("thin_dump", device).stdout === expected);
});

test("thin_trim discards on a block device", (t) => {
  if (lacksRequirement(t)) return;
  const folder = scratchFolder(t);
  const [path, data] = ["metadata", "data"].map((name) => join(folder, name));
  madePools[0].make(path);
  const blocks = 1000;
  const blockBytes = 65_536;
  const metadata = ThinMetadata.open(path);
  metadata.createThin(1);
  const mapping = metadata.openDevice(1);
  for (let block = 0; block < 3; block++) mapping.insert(block, metadata.allocateDataBlock());
  metadata.commit(() => undefined);
  metadata.close();
  writeFileSync(data, Buffer.alloc(blocks * blockBytes, 7));
  const { status, stderr } = ours("thin_trim", "--metadata-dev", path, "--data-dev", loopOn(t, data));
  assert.equal(status, 0, stderr);
  const bytes = readFileSync(data);
  assert.ok(bytes.subarray(0, 3 * blockBytes).every((byte) => byte === 7));
  assert.ok(bytes.subarray(3 * blockBytes).every((byte) => byte === 0));
});
