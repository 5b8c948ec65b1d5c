import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { readIndexEntry } from "../src/persistent-data/index-entry.ts";
import { indexHeaderWords } from "../src/persistent-data/bitmap-index.ts";
import { Block, blockBytes } from "../src/persistent-data/block.ts";
import { childAt, isLeaf, valueAt } from "../src/persistent-data/btree-node.ts";
import { readU64 } from "../src/persistent-data/u64.ts";
import type { RepairReport } from "../src/metadata-tools/repair/repair-report.ts";
import { readSuperblock, type Superblock } from "../src/thin/superblock.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { makeBlockFile } from "../src/thin/metadata.testing.ts";
import { madePools } from "./thin-pools.ts";
import { lacksDebiansTools, ours, scratchFolder, theirs } from "./thin-tools-support.ts";

/** A pool's metadata in memory, and what of it can be damaged. */
class Pool {
  readonly content: Buffer;
  readonly superblock: Superblock;

  constructor(path: string) {
    this.content = readFileSync(path);
    this.superblock = readSuperblock(this.block(0));
  }

  block(number: number): Block {
    const block = new Block(number);
    block.bytes.set(this.content.subarray(number * blockBytes, (number + 1) * blockBytes));
    return block;
  }

  /** Writes the pool with a damaged block into a file. */
  writeDamaged(path: string, number: number): void {
    const damaged = Buffer.from(this.content);
    damaged[number * blockBytes + 300] ^= 0xff;
    writeFileSync(path, damaged);
  }
}

/** The root of the mapping tree of the device that maps most, and a leaf of it. */
function largestDevice(path: string): { id: number; root: number } {
  const metadata = ThinMetadata.open(path, { readOnly: true });
  const [{ id }] = [...metadata.details()].sort((a, b) => b.mappedBlocks - a.mappedBlocks);
  const root = metadata.mappingRootOf(id);
  metadata.close();
  return { id, root };
}

/** Each line of a dump that tells a mapping, with its device. */
function mappingsOf(dump: string): Map<string, Set<string>> {
  const devices = new Map<string, Set<string>>();
  let mappings = new Set<string>();
  for (const line of dump.split("\n")) {
    const id = /dev_id="(\d+)"/.exec(line)?.[1];
    if (id !== undefined) devices.set(id, (mappings = new Set()));
    const [virtual, data, length = 1, time] = [
      /origin_\w+="(\d+)"/,
      /data_\w+="(\d+)"/,
      /length="(\d+)"/,
      / time="(\d+)"/,
    ].map((pattern) => pattern.exec(line)?.[1]);
    if (!line.includes("_mapping ")) continue;
    for (let i = 0; i < Number(length); i++) mappings.add(`${Number(virtual) + i} ${Number(data) + i} ${time ?? ""}`);
  }
  return devices;
}

suite("thin_repair", () => {
  const places: { what: string; find: (pool: Pool, path: string) => number; keeps: "all" | "devices" }[] = [
    { what: "a leaf of mappings", keeps: "devices", find: (pool, path) => leafBelow(pool, largestDevice(path).root) },
    { what: "an inner node of mappings", keeps: "all", find: (_, path) => largestDevice(path).root },
    { what: "the root of devices", keeps: "all", find: ({ superblock }) => superblock.mappingRoot },
    { what: "the device details", keeps: "all", find: ({ superblock }) => superblock.detailsRoot },
    { what: "the data space map's index", keeps: "all", find: ({ superblock }) => superblock.dataSpaceMap.bitmapRoot },
    {
      what: "a metadata bitmap",
      keeps: "all",
      find: (pool) =>
        readIndexEntry(pool.block(pool.superblock.metadataSpaceMap.bitmapRoot).words, indexHeaderWords).bitmap,
    },
    { what: "the superblock", keeps: "all", find: () => 0 },
  ];

  for (const { what, find, keeps } of places) {
    test(`with ${what} damaged, saves what there is`, (t) => {
      if (lacksDebiansTools(t)) return;
      const folder = scratchFolder(t);
      const sound = join(folder, "sound");
      const bad = join(folder, "bad");
      const good = join(folder, "good");
      const told = join(folder, "report");
      madePools[3].make(sound);
      const pool = new Pool(sound);
      pool.writeDamaged(bad, find(pool, sound));
      assert.notEqual(theirs("thin_check", "-q", bad).status, 0);
      makeBlockFile(good, 4000);
      const before = mappingsOf(ours("thin_dump", sound).stdout);
      const { transactionId, dataBlockSizeSectors, dataSpaceMap } = pool.superblock;
      const known = [
        `--transaction-id=${transactionId}`,
        `--data-block-size=${dataBlockSizeSectors}`,
        `--nr-data-blocks=${dataSpaceMap.blocks}`,
      ];
      const { status, stderr } = ours(
        "thin_repair",
        "-i",
        bad,
        "-o",
        good,
        `--report=${told}`,
        ...(find(pool, sound) === 0 ? known : []),
      );
      assert.equal(status, 0, stderr);
      const checked = ours("thin_check", good);
      assert.equal(checked.status, 0, checked.stderr);
      assert.equal(theirs("thin_check", "-q", good).status, 0);
      const after = mappingsOf(ours("thin_dump", good).stdout);
      if (keeps === "all") assert.deepEqual(after, before);
      if (keeps === "devices") assert.deepEqual([...after.keys()], [...before.keys()]);
      if (keeps === "devices") assert.match(stderr, /^lost: thin device \d+: /m);
      const report = JSON.parse(readFileSync(told, "utf8")) as RepairReport;
      const lost = report.devices.filter((device) => device.lost !== 0).map(({ id }) => String(id));
      for (const [id, mappings] of before) {
        const isLost = [...mappings].some((mapping) => after.get(id)?.has(mapping) !== true);
        if (isLost) assert.ok(lost.includes(id), `device ${id} lost something, and the report does not say so`);
      }
      if (keeps === "devices") assert.ok(report.devices.some(({ lostRanges }) => lostRanges.length > 0));
      let kept = 0;
      let had = 0;
      for (const [id, mappings] of before) {
        had += mappings.size;
        for (const mapping of after.get(id) ?? []) if (mappings.has(mapping)) kept++;
      }
      t.diagnostic(`${kept} of ${had} mappings kept, ${after.size} of ${before.size} devices`);
      assert.ok(kept > had / 10);
      assert.ok(ours("thin_dump", "--repair", "-q", bad, ...known).stdout.startsWith("<superblock "));
    });
  }

  test("without a superblock asks for what it said; never writes over what it reads", (t) => {
    const folder = scratchFolder(t);
    const bad = join(folder, "bad");
    madePools[3].make(bad);
    const pool = new Pool(bad);
    pool.writeDamaged(bad, 0);
    const good = join(folder, "good");
    makeBlockFile(good, 4000);
    assert.match(ours("thin_repair", "-i", bad, "-o", good).stderr, /its superblock is lost.*--nr-data-blocks/);
    assert.match(ours("thin_repair", "-i", bad, "-o", bad).stderr, /^Cannot /);
    assert.ok(readFileSync(bad).subarray(blockBytes).equals(pool.content.subarray(blockBytes)));
  });
});

function leafBelow(pool: Pool, root: number): number {
  const { words } = pool.block(root);
  if (isLeaf(words)) return root;
  const child = childAt(words, 0);
  return isLeaf(pool.block(child).words) ? readU64(words, valueAt(words, 0)) : leafBelow(pool, child);
}
