import assert from "node:assert/strict";
import { copyFileSync, linkSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { lockFileSync } from "../src/linux/flock.ts";
import { haveThinTools, makeBlockFile, seededRandom, thinCheckComplaints } from "../src/thin/metadata.testing.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { ours, scratchFolder, theirs, type ToolOutcome } from "./thin-tools-support.ts";

const dataBlocks = 600;
const deviceBlocks = 200;
const blockBytes = 64 * 1024;
const nothing = (): void => undefined;

interface ShrinkablePool {
  readonly folder: string;
  readonly metadata: string;
  readonly data: string;
  readonly xml: string;
  /** Data blocks in use, by its metadata snapshot too. */
  readonly used: number;
}

function insertAt(metadata: ThinMetadata, id: number, random: (below: number) => number, blocks: number): void {
  const mapping = metadata.openDevice(id);
  for (let i = 0; i < blocks; i++) mapping.insert(random(deviceBlocks), metadata.allocateDataBlock());
  metadata.closeDevice(id);
}

/** Devices, snapshots and a deleted device between them, in data of which every block says what it is. */
function makePool(folder: string, option: { metadataSnapshot?: boolean } = {}): ShrinkablePool {
  const [path, data, xml] = ["metadata", "data", "xml"].map((name) => join(folder, name));
  makeBlockFile(path, 256);
  const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks });
  const random = seededRandom(21);
  for (const id of [1, 2, 3]) {
    metadata.createThin(id);
    insertAt(metadata, id, random, 120);
  }
  metadata.createSnapshot(4, 3);
  metadata.createSnapshot(5, 4);
  insertAt(metadata, 5, random, 40);
  if (option.metadataSnapshot === true) metadata.reserveMetadataSnapshot(nothing);
  metadata.deleteThin(2);
  metadata.commit(nothing);
  let used = 0;
  for (let block = 0; block < dataBlocks; block++) if (metadata.dataReferenceCount(block) > 0) used++;
  metadata.close();
  const bytes = Buffer.alloc(dataBlocks * blockBytes);
  for (let block = 0; block < dataBlocks; block++) {
    for (let at = 0; at < blockBytes; at += 4096)
      bytes.writeUInt32LE(block * 4096 + at / 4096 + 1, block * blockBytes + at);
  }
  writeFileSync(data, bytes);
  const dumped = ours("thin_dump", "-o", xml, path);
  assert.equal(dumped.status, 0, dumped.stderr);
  return { folder, metadata: path, data, xml, used };
}

/** Every byte of every device of a pool. */
function readDevices(path: string, dataPath: string): Map<number, Buffer> {
  const metadata = ThinMetadata.open(path, { readOnly: true });
  const data = readFileSync(dataPath);
  const devices = new Map<number, Buffer>();
  for (const { id } of metadata.details()) {
    const device = Buffer.alloc(deviceBlocks * blockBytes);
    const mapping = metadata.openDevice(id);
    for (const { virtualBlock, dataBlock, blocks } of mapping.mappings()) {
      data.copy(device, virtualBlock * blockBytes, dataBlock * blockBytes, (dataBlock + blocks) * blockBytes);
    }
    devices.set(id, device);
  }
  metadata.close();
  return devices;
}

function requireSame(before: ReadonlyMap<number, Buffer>, after: ReadonlyMap<number, Buffer>): void {
  assert.deepEqual([...after.keys()], [...before.keys()]);
  for (const [id, bytes] of before) assert.ok(after.get(id)!.equals(bytes), `device ${id} reads as before`);
}

function shrink(pool: ShrinkablePool, nrBlocks: number, ...words: string[]): ToolOutcome {
  return ours("thin_shrink", "--data", pool.data, "--nr-blocks", String(nrBlocks), ...words);
}

function restored(pool: ShrinkablePool, xml: string): string {
  const path = join(pool.folder, "restored");
  makeBlockFile(path, 256);
  const { status, stderr } = (haveThinTools ? theirs : ours)("thin_restore", "-i", xml, "-o", path);
  assert.equal(status, 0, stderr);
  return path;
}

suite("thin_shrink", () => {
  test("moves what lies above the new end, and every device reads as before", (t) => {
    const pool = makePool(scratchFolder(t));
    const before = readDevices(pool.metadata, pool.data);
    const untouched = readFileSync(pool.xml);
    const small = join(pool.folder, "small.xml");
    const { status, stderr } = shrink(pool, pool.used + 3, "-i", pool.xml, "-o", small);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^\d+ data blocks moved\n$/);
    assert.ok(readFileSync(pool.xml).equals(untouched));
    requireSame(before, readDevices(pool.metadata, pool.data));

    truncateSync(pool.data, (pool.used + 3) * blockBytes);
    const path = restored(pool, small);
    assert.equal(ours("thin_check", "-q", path).status, 0);
    if (haveThinTools) assert.equal(thinCheckComplaints(path, ["-q"]), "");
    assert.match(ours("thin_dump", "--skip-mappings", path).stdout, new RegExp(`nr_data_blocks="${pool.used + 3}"`));
    requireSame(before, readDevices(path, pool.data));
  });

  test("does so with metadata devices too, down to the last block in use", (t) => {
    const pool = makePool(scratchFolder(t));
    const before = readDevices(pool.metadata, pool.data);
    const untouched = readFileSync(pool.metadata);
    const small = join(pool.folder, "small");
    makeBlockFile(small, 256);
    const { status, stderr } = shrink(pool, pool.used, "--binary", "-i", pool.metadata, "-o", small);
    assert.equal(status, 0, stderr);
    assert.ok(readFileSync(pool.metadata).equals(untouched));
    truncateSync(pool.data, pool.used * blockBytes);
    if (haveThinTools) {
      assert.equal(thinCheckComplaints(small, ["-q"]), "");
      assert.equal(theirs("thin_dump", small).stdout, ours("thin_dump", small).stdout);
    }
    requireSame(before, readDevices(small, pool.data));
  });

  test("leaves what a metadata snapshot maps where it is", (t) => {
    const pool = makePool(scratchFolder(t), { metadataSnapshot: true });
    const held = ours("thin_dump", "-m", pool.metadata).stdout;
    assert.match(held, /dev_id="2"/);
    const data = readFileSync(pool.data);
    const small = join(pool.folder, "small");
    makeBlockFile(small, 256);
    assert.match(
      shrink(pool, pool.used - 1, "--binary", "-i", pool.metadata, "-o", small).stderr,
      /^Cannot shrink the pool to \d+ data blocks: \d+ blocks lie above that and \d+ are free below\. It takes \d+ blocks more\.\n$/,
    );
    assert.equal(shrink(pool, pool.used, "--binary", "-i", pool.metadata, "-o", small).status, 0);
    const after = readFileSync(pool.data);
    const kept = [...held.matchAll(/data_b(?:lock|egin)="(\d+)"(?: length="(\d+)")?/g)];
    for (const [, begin, length = "1"] of kept) {
      const [from, to] = [Number(begin), Number(begin) + Number(length)].map((block) => block * blockBytes);
      assert.ok(after.subarray(from, to).equals(data.subarray(from, to)), `data block ${begin}`);
    }
  });

  test("tells what it would do, and leaves the data alone", (t) => {
    const pool = makePool(scratchFolder(t));
    const data = readFileSync(pool.data);
    const small = join(pool.folder, "small.xml");
    const { status, stderr } = shrink(pool, 500, "-i", pool.xml, "-o", small, "--no-copy");
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^\d+ data blocks to be moved\n$/);
    assert.ok(readFileSync(pool.data).equals(data));
    assert.equal(ours("thin_check", "-q", restored(pool, small)).status, 0);
  });

  test("refuses what cannot be, and what is in use, before anything is written", (t) => {
    const pool = makePool(scratchFolder(t));
    const data = readFileSync(pool.data);
    const small = join(pool.folder, "small");
    const xml = ["-i", pool.xml, "-o", small];
    const binary = ["--binary", "-i", pool.metadata, "-o", small];
    makeBlockFile(small, 256);
    const alias = join(pool.folder, "alias");
    linkSync(pool.xml, alias);
    const short = join(pool.folder, "short");
    copyFileSync(pool.data, short);
    truncateSync(short, 300 * blockBytes);
    for (const [words, says] of [
      [["--nr-blocks", "10", ...xml], /^Cannot shrink the pool to 10 data blocks: \d+ blocks lie above/],
      [["--nr-blocks", "0", ...xml], /^Cannot shrink the pool to 0 data blocks: it has 600/],
      [["--nr-blocks", "600", ...xml], /^Cannot shrink the pool to 600 data blocks: it has 600/],
      [["--nr-blocks", "1e3", ...xml], /couldn't parse/],
      [["--nr-blocks", "500", "-i", pool.xml, "-o", alias], /it is what is read/],
      [["--nr-blocks", "500", "-i", pool.metadata, "-o", small], /^Cannot restore from this XML/],
      [["--nr-blocks", "500", "--binary", "-i", pool.xml, "-o", small], /superblock|smaller/],
      [["--nr-blocks", "500", "-i", pool.folder, "-o", small], /it is no file/],
      [["--nr-blocks", "500", ...xml, "--data", join(pool.folder, "none")], /there is no such file/],
      [["--nr-blocks", "500", ...xml, "--data", short], /it has 300 blocks, and the pool uses \d+/],
      [["--nr-blocks", "500", "-i", pool.xml], /No output file provided/],
      [xml, /--nr-blocks not specified/],
    ] as const) {
      const { status, stderr } = ours("thin_shrink", "--data", pool.data, ...words);
      assert.equal(status, 1, words.join(" "));
      assert.match(stderr, says);
    }
    makeBlockFile(small, 256);
    for (const held of [pool.data, pool.metadata, small]) {
      const lock = lockFileSync(held);
      const { status, stderr } = shrink(pool, 500, ...binary);
      assert.equal(status, 1);
      assert.match(stderr, /^Cannot (read|write to) .*(a pool runs on it|in use)/);
      lock.release();
    }
    assert.ok(readFileSync(pool.data).equals(data));
    assert.equal(shrink(pool, 500, ...binary).status, 0);
  });
});
