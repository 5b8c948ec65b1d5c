import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TestPool } from "./testing/test-pool.ts";
import type { ThinVolume } from "./volume.ts";

const block = 65536;
const sectors = (blocks: number): number => (blocks * block) / 512;

/** Data from, hole from, data from, … until the volume's end, as a program that copies it sees them, in blocks. */
function extents(volume: ThinVolume): number[] {
  const found: number[] = [];
  for (let at = 0; at < volume.sizeBytes;) {
    const data = volume.seekData(at);
    if (data >= volume.sizeBytes) break;
    at = volume.seekHole(data);
    assert.ok(at > data);
    found.push(data / block, at / block);
  }
  return found;
}

test("data and holes are found where blocks are mapped, also within a block", () => {
  const pool = new TestPool().open();
  pool.message("create_thin 1");
  const volume = pool.activate(1, sectors(1000), { tag: "" });
  assert.deepEqual(extents(volume), []);
  assert.equal(volume.seekHole(5), 5);
  for (const at of [0, 3, 4, 5, 300, 999]) volume.write(Buffer.alloc(block, 1), 0, at * block, 512);
  assert.deepEqual(extents(volume), [0, 1, 3, 6, 300, 301, 999, 1000]);
  assert.equal(volume.seekData(3 * block + 77), 3 * block + 77);
  assert.equal(volume.seekHole(3 * block + 77), 6 * block);
  assert.equal(volume.allocatedBytes, 6 * block);
  assert.equal(volume.punchHole(4 * block, block), 0);
  assert.deepEqual(extents(volume), [0, 1, 3, 4, 5, 6, 300, 301, 999, 1000]);
  pool.message("create_snap 2 1");
  volume.punchHole(0, 999 * block);
  assert.deepEqual(extents(volume), [999, 1000]);
  assert.deepEqual(extents(pool.activate(2, sectors(1000), { tag: "" })), [0, 1, 3, 4, 5, 6, 300, 301, 999, 1000]);
});

test("what an external origin has counts as data", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mica-seek-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const externalOriginPath = join(folder, "origin");
  writeFileSync(externalOriginPath, Buffer.alloc(3 * block + 512, 9));
  const pool = new TestPool().open();
  pool.message("create_thin 1");
  const volume = pool.activate(1, sectors(20), { tag: "", externalOriginPath });
  volume.write(Buffer.alloc(block, 1), 0, 10 * block, block);
  assert.deepEqual(extents(volume), [0, 3 + 512 / block, 10, 11]);
});
