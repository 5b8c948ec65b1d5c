import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlockFile } from "../persistent-data/block-file.ts";
import { Block, blockBytes } from "../persistent-data/block.ts";
import type { BlockKindName } from "../persistent-data/metadata-error.ts";
import { ThinMetadata } from "../thin/metadata.ts";
import { RecordingBlockFile } from "../thin/metadata.testing.ts";
import { readSuperblock, type Superblock } from "../thin/superblock.ts";
import { readIndexEntry } from "../persistent-data/index-entry.ts";
import { indexHeaderWords } from "../persistent-data/bitmap-index.ts";
import { valueAt } from "../persistent-data/btree-node.ts";
import { readU64 } from "../persistent-data/u64.ts";
import { check } from "./check.ts";

const blocks = 500;

function nothing(): void {
  // There is no data here to flush.
}

function makePool(): RecordingBlockFile {
  const file = new RecordingBlockFile(blocks);
  const metadata = ThinMetadata.formatOn(file, { dataBlockSize: 128, dataBlocks: 4000 });
  metadata.createThin(1);
  const mapping = metadata.openDevice(1);
  for (let block = 0; block < 600; block++) mapping.insert(block, metadata.allocateDataBlock());
  metadata.createSnapshot(2, 1);
  metadata.commit(nothing);
  return file;
}

function blockOf(file: BlockFile, number: number): Block {
  const block = new Block(number);
  file.read(number, block.bytes);
  return block;
}

/** Opens the pool and does a bit of everything. */
function use(file: BlockFile): void {
  const metadata = ThinMetadata.openOn(file);
  const mapping = metadata.openDevice(2);
  mapping.lookup(0);
  metadata.createThin(3);
  mapping.insert(0, metadata.allocateDataBlock());
  metadata.commit(nothing);
}

const places: { what: string; kind: BlockKindName; find: (file: BlockFile, superblock: Superblock) => number }[] = [
  { what: "superblock", kind: "superblock", find: () => 0 },
  { what: "tree of devices", kind: "btree node", find: (_, superblock) => superblock.mappingRoot },
  { what: "device details", kind: "btree node", find: (_, superblock) => superblock.detailsRoot },
  {
    what: "a device's mappings",
    kind: "btree node",
    find(file, superblock) {
      const { words } = blockOf(file, superblock.mappingRoot);
      return readU64(words, valueAt(words, 0));
    },
  },
  { what: "metadata index", kind: "index", find: (_, superblock) => superblock.metadataSpaceMap.bitmapRoot },
  { what: "data index", kind: "btree node", find: (_, superblock) => superblock.dataSpaceMap.bitmapRoot },
  {
    what: "metadata bitmap",
    kind: "bitmap",
    find: (file, superblock) =>
      readIndexEntry(blockOf(file, superblock.metadataSpaceMap.bitmapRoot).words, indexHeaderWords).bitmap,
  },
  {
    what: "data bitmap",
    kind: "bitmap",
    find(file, superblock) {
      const { words } = blockOf(file, superblock.dataSpaceMap.bitmapRoot);
      return readIndexEntry(words, valueAt(words, 0)).bitmap;
    },
  },
];

for (const { what, kind, find } of places) {
  test(`damage to the ${what} is named, by use and by check`, () => {
    const file = makePool();
    const block = find(file, readSuperblock(blockOf(file, 0)));
    file.content[block * blockBytes + 2000] ^= 1;
    assert.throws(() => use(file), { name: "MetadataError", code: "EILSEQ", kind, block });
    const problems = check(file);
    assert.ok(problems.length > 0);
    const place =
      kind === "superblock"
        ? /superblock: its checksum/
        : new RegExp(`${kind} at metadata block ${block}: its checksum`);
    assert.match(problems.join("\n"), place);
  });

  test(`another block in the place of the ${what} is noticed`, () => {
    const file = makePool();
    const block = find(file, readSuperblock(blockOf(file, 0)));
    if (kind === "superblock") return;
    // A sound block of the same kind, but not this one: a lost or misplaced write.
    file.content.copyWithin(block * blockBytes, (block + 1) * blockBytes, (block + 2) * blockBytes);
    assert.throws(() => use(file), { name: "MetadataError", code: "EILSEQ", block });
    assert.ok(check(file).length > 0);
  });
}

test("what is no pool's metadata is refused by name", () => {
  const empty = new RecordingBlockFile(blocks);
  assert.throws(() => ThinMetadata.openOn(empty), { code: "EILSEQ", message: /superblock .*it is empty/ });
  const other = new RecordingBlockFile(blocks);
  other.content.fill(7);
  assert.throws(() => ThinMetadata.openOn(other), { code: "EILSEQ", message: /magic number is wrong/ });
  assert.match(check(other)[0], /magic number/);
});

test("a metadata device cut short is refused", () => {
  const file = makePool();
  const short = new RecordingBlockFile(blocks - 100);
  short.content.set(file.content.subarray(0, short.content.length));
  assert.throws(() => ThinMetadata.openOn(short), {
    code: "EINVAL",
    message: /has 400 blocks, the superblock says 500/,
  });
  assert.match(check(short)[0], /500 metadata blocks; the device has 400/);
});
