import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ThinError } from "./errors.ts";
import { parsePoolTable } from "./pool-table.ts";
import { Pool } from "./pool.ts";
import { thinCheckFile } from "./testing/test-pool.ts";

const folder = mkdtempSync(join(tmpdir(), "mica-pool-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
function sparseFile(name: string, sizeBytes: number): string {
  const path = join(folder, `${name}-${made++}`);
  closeSync(openSync(path, "w"));
  truncateSync(path, sizeBytes);
  return path;
}

/** Bytes of the host's disk that a file holds. */
const held = (path: string): number => statSync(path).blocks * 512;

function files(
  blockSizeSectors: number,
  dataBlocks: number,
  features = "0",
): { open: () => Pool; meta: string; data: string; journal: string } {
  const data = sparseFile("data", blockSizeSectors * 512 * dataBlocks);
  const meta = sparseFile("meta", 4 * 2 ** 20);
  const journal = join(folder, `journal-${made++}`);
  const table = parsePoolTable(
    `0 ${blockSizeSectors * dataBlocks} thin-pool ${meta} ${data} ${blockSizeSectors} 0 ${features}`,
  );
  return {
    meta,
    data,
    journal,
    open: () => Pool.open({ metadataPath: meta, dataPath: data, table, journalPath: journal }),
  };
}

for (const [name, sectors, deviceBlocks] of [
  ["64 KiB", 128, 20],
  ["128 KiB", 256, 20],
  ["192 KiB", 384, 20],
  ["1 MiB", 2048, 8],
  ["1 GiB", 2097152, 3],
] as const) {
  test(`blocks of ${name} in sparse files: write, snapshot, copy, discard, restart`, () => {
    const { open, meta, data, journal } = files(sectors, deviceBlocks * 2);
    const blockBytes = sectors * 512;
    const boundary = 2 * blockBytes;
    let pool = open();
    pool.message("create_thin 0");
    let volume = pool.activate(0, sectors * deviceBlocks, { tag: "zero" });
    const bytes = Buffer.alloc(150_000, "0123456789abcdef-");
    // Across a boundary of blocks, and at odd places.
    assert.equal(volume.write(bytes, 0, boundary - 75_001, bytes.length), 0);
    pool.message("create_snap 1 0");
    assert.equal(volume.write(bytes, 7, boundary + 3000, 5000), 0);
    assert.equal(pool.metadata.allocatedDataBlocks >= 3, true);
    assert.ok(held(data) < 8 * 2 ** 20, `${held(data)} bytes of the disk for 0.3 MB of data`);
    pool.abandon();
    pool = open();
    volume = pool.volume(0)!;
    const snapshot = pool.activate(1, sectors * deviceBlocks, { tag: "one" });
    const found = Buffer.alloc(bytes.length);
    assert.equal(snapshot.read(found, 0, boundary - 75_001, found.length), 0);
    assert.ok(found.equals(bytes));
    const expected = Buffer.from(bytes);
    bytes.copy(expected, 75_001 + 3000, 7, 5007);
    assert.equal(volume.read(found, 0, boundary - 75_001, found.length), 0);
    assert.ok(found.equals(expected));
    assert.equal(volume.punchHole(boundary, blockBytes), 0);
    assert.equal(volume.read(found, 0, boundary - 75_001, found.length), 0);
    assert.ok(found.equals(expected.fill(0, 75_001, Math.min(expected.length, 75_001 + blockBytes))));
    assert.equal(snapshot.discard(0, deviceBlocks * blockBytes), 0);
    assert.equal(volume.discard(0, deviceBlocks * blockBytes), 0);
    assert.equal(pool.close(), 0);
    assert.equal(existsSync(journal), false);
    assert.equal(held(data), 0, "the host has its space back");
    thinCheckFile(meta);
  });
}

test("stale data of a freed block never shows, where nothing is passed down", () => {
  const { open, meta } = files(128, 4, "1 no_discard_passdown");
  const pool = open();
  pool.message("create_thin 0");
  const volume = pool.activate(0, 512, { tag: "" });
  volume.write(Buffer.alloc(4 * 65536, "secret"), 0, 0, 4 * 65536);
  pool.deactivate(0);
  pool.message("delete 0");
  pool.message("create_thin 1");
  const next = pool.activate(1, 512, { tag: "" });
  for (let block = 0; block < 4; block++) next.write(Buffer.from("x"), 0, block * 65536 + 100, 1);
  const found = Buffer.alloc(4 * 65536);
  next.read(found, 0, 0, found.length);
  assert.equal(found.includes("secret"), false);
  assert.equal(found[100], 120);
  pool.close();
  thinCheckFile(meta);
});

test("an external origin shows through, also where it is shorter than the device", () => {
  const origin = sparseFile("origin", 0);
  const content = Buffer.alloc(3 * 65536 + 1000, "origin ");
  writeFileSync(origin, content);
  const { open, meta } = files(128, 40);
  const pool = open();
  pool.message("create_thin 0");
  const volume = pool.activate(0, 6 * 128, { tag: "", externalOriginPath: origin });
  const model = Buffer.alloc(6 * 65536);
  content.copy(model);
  const same = (): void => {
    const found = Buffer.alloc(model.length);
    assert.equal(volume.read(found, 0, 0, found.length), 0);
    assert.ok(found.equals(model));
  };
  const write = (offset: number, length: number): void => {
    const bytes = Buffer.alloc(length, "new");
    assert.equal(volume.write(bytes, 0, offset, length), 0);
    bytes.copy(model, offset);
    same();
  };
  same();
  assert.equal(pool.metadata.allocatedDataBlocks, 0);
  write(65536 + 5, 700);
  assert.equal(pool.metadata.allocatedDataBlocks, 1);
  write(3 * 65536 + 500, 2000);
  write(4 * 65536 + 1, 1);
  // A discard shows the origin again, zeroes hide it.
  assert.equal(volume.discard(65536, 65536), 0);
  content.copy(model, 65536, 65536, 2 * 65536);
  same();
  for (const zero of ["punchHole", "writeZeroes"] as const) {
    assert.equal(volume[zero](100, 2 * 65536), 0);
    model.fill(0, 100, 100 + 2 * 65536);
    same();
  }
  assert.equal(volume.punchHole(0, 6 * 65536), 0);
  model.fill(0);
  same();
  pool.message("create_snap 1 0");
  write(10, 10);
  pool.close();
  thinCheckFile(meta);
  assert.ok(readFileSync(origin).equals(content));
});

test("a pool that does not fit its table or devices is refused by what is wrong", () => {
  const refuses = (run: () => unknown, why: RegExp): void => {
    assert.throws(run, (error) => error instanceof ThinError && error.code === "EINVAL" && why.test(error.message));
  };
  const { open, meta, data } = files(128, 100);
  open().close();
  const table = parsePoolTable(`0 12800 thin-pool ${meta} ${data} 128 0`);
  const paths = { metadataPath: meta, dataPath: data };
  refuses(() => Pool.open({ ...paths, table: { ...table, blockSizeSectors: 256 } }), /from 128 to 256 sectors/);
  refuses(() => Pool.open({ ...paths, table: { ...table, blockSizeSectors: 100 } }), /multiple of 128/);
  refuses(() => Pool.open({ ...paths, table: { ...table, sectors: 12672 } }), /Cannot shrink the pool/);
  refuses(() => Pool.open({ ...paths, table: { ...table, sectors: 25600 } }), /12800 sectors, the table wants 25600/);
  thinCheckFile(meta);
});

test("data and metadata files grow online", () => {
  const { open, meta, data } = files(128, 100);
  const pool = open();
  pool.message("create_thin 0");
  const volume = pool.activate(0, 1 << 20, { tag: "" });
  volume.write(Buffer.alloc(1000, 1), 0, 0, 1000);
  truncateSync(data, 200 * 65536);
  truncateSync(meta, 8 * 2 ** 20);
  pool.reload({ ...pool.table, sectors: 200 * 128 });
  assert.match(pool.status(), /\/2048 1\/200 - rw /);
  assert.equal(volume.write(Buffer.alloc(150 * 65536, 1), 0, 65536, 150 * 65536), 0);
  assert.equal(pool.close(), 0);
  thinCheckFile(meta);
});
