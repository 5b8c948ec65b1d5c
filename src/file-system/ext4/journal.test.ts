import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { BlockSource } from "../block-source.ts";
import { FileBlockSource } from "../file-block-source.ts";
import { describeTree, type TreeDescription } from "../testing/describe-tree.ts";
import { cannotMount, makeImage, mountImage, temporaryFolder } from "../testing/ext4-image.ts";
import { openExt4 } from "./ext4-tree.ts";
import { parseSuperblock, superblockBytes, superblockPosition } from "./superblock.ts";

function describeImage(image: string): TreeDescription {
  const source = new FileBlockSource(image);
  const description = describeTree(openExt4(source).top());
  source.close();
  return description;
}

function needsRecovery(image: string): boolean {
  const source = new FileBlockSource(image);
  const bytes = Buffer.alloc(superblockBytes);
  source.read(bytes, 0, bytes.length, superblockPosition);
  source.close();
  return parseSuperblock(bytes).needsRecovery;
}

/** An image that is copied while it is mounted and its journal holds changes, as a pool that was stopped has it. */
function dirtyImage(t: TestContext, mkfs: string[], mountData: string): { image: string; live: TreeDescription } {
  const origin = makeImage(t, 64, ["mke2fs", "-q", "-F", ...mkfs]);
  const mounted = mountImage(t, origin, "ext4", mountData);
  const path = (name: string): string => join(mounted.point, name);
  for (let i = 0; i < 300; i++) writeFileSync(path(`first-${i}`), `first ${i}`);
  execFileSync("sync", ["-f", mounted.point]);
  // Folders' blocks are freed, which revokes them, and used again for content, or for folders once more.
  execFileSync("sh", ["-c", `cd "$1" && mkdir -p d/e/f && touch d/e/f/g && sync -f . && rm -r d`, "sh", mounted.point]);
  for (let i = 0; i < 200; i++) rmSync(path(`first-${i}`));
  execFileSync("sync", ["-f", mounted.point]);
  // Content that begins as the journal's own blocks do: it is escaped where content goes through the journal.
  writeFileSync(path("escaped"), Buffer.concat([Buffer.from("c03b3998", "hex"), Buffer.alloc(100_000, 7)]));
  for (let i = 0; i < 100; i++) writeFileSync(path(`second-${i}`), `second ${i}`.repeat(1000));
  execFileSync("sync", ["-f", mounted.point]);
  const live = describeTree(mounted.point);
  const image = join(temporaryFolder(t), "dirty");
  copyFileSync(origin, image);
  return { image, live };
}

const kinds = [
  { name: "with checksums", mkfs: ["-t", "ext4", "-b", "4096"], data: "" },
  { name: "that holds content too", mkfs: ["-t", "ext4", "-b", "4096"], data: "data=journal" },
  { name: "of 32 bits without checksums", mkfs: ["-t", "ext4", "-O", "^64bit,^metadata_csum"], data: "" },
  { name: "of 64 bits without checksums", mkfs: ["-t", "ext4", "-O", "64bit,^metadata_csum"], data: "data=journal" },
  { name: "with blocks of 1 KiB", mkfs: ["-t", "ext4", "-b", "1024"], data: "data=journal" },
  { name: "of ext3", mkfs: ["-t", "ext3"], data: "data=journal" },
  { name: "that is small and was overwritten", mkfs: ["-t", "ext4", "-J", "size=4"], data: "data=journal" },
];

for (const { name, mkfs, data } of kinds) {
  test(`a journal ${name} is replayed in memory to what e2fsck makes of it`, { skip: cannotMount }, (t) => {
    const { image, live } = dirtyImage(t, mkfs, data);
    const before = readFileSync(image);
    assert.equal(needsRecovery(image), true);
    const replayed = describeImage(image);
    assert.ok(readFileSync(image).equals(before), "nothing was written");
    assert.deepEqual(replayed, live);

    assert.ok((spawnSync("e2fsck", ["-fy", image]).status ?? 8) <= 1);
    assert.equal(needsRecovery(image), false);
    assert.deepEqual(replayed, describeImage(image));
  });
}

test("a journal's last transaction counts only with its commit", { skip: cannotMount }, (t) => {
  const { image, live } = dirtyImage(t, ["-t", "ext4", "-b", "4096"], "");
  const bytes = readFileSync(image);
  // The log's commit blocks: the magic number, type 2. The last one is lost, as if the power had gone before it.
  let last = 0;
  let lastSequence = 0;
  for (let at = 0; at < bytes.length; at += 4096) {
    if (bytes.readUInt32BE(at) !== 0xc03b3998 || bytes.readUInt32BE(at + 4) !== 2) continue;
    if (bytes.readUInt32BE(at + 8) > lastSequence) [last, lastSequence] = [at, bytes.readUInt32BE(at + 8)];
  }
  assert.ok(last > 0);
  bytes.fill(0, last, last + 4096);
  writeFileSync(image, bytes);
  const replayed = describeImage(image);
  assert.notDeepEqual(replayed, live);
  assert.ok((spawnSync("e2fsck", ["-fy", image]).status ?? 8) <= 1);
  assert.deepEqual(replayed, describeImage(image));
});

test("a block that the journal holds and whose checksum is wrong is not used", { skip: cannotMount }, (t) => {
  const { image } = dirtyImage(t, ["-t", "ext4"], "data=journal");
  const bytes = readFileSync(image);
  const content = Buffer.from("second 42".repeat(100));
  for (let at = bytes.indexOf(content); at >= 0; at = bytes.indexOf(content, at + 4096)) bytes[at] ^= 1;
  writeFileSync(image, bytes);
  assert.throws(() => describeImage(image), { name: "FileSystemDamage", message: /journal, block \d+: the checksum/ });
});

test("a journal with fast commits is refused by name", { skip: cannotMount }, (t) => {
  const { image } = dirtyImage(t, ["-t", "ext4", "-O", "fast_commit"], "");
  assert.throws(() => describeImage(image), { name: "UnsupportedFileSystem", message: /fast_commit.*copy/ });
});

test("a journal that is damaged anywhere is replayed as far as it goes, or refused", { skip: cannotMount }, (t) => {
  const { image } = dirtyImage(t, ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"], "");
  const bytes = readFileSync(image);
  const blocks: number[] = [];
  for (let at = 0; at < bytes.length; at += 1024) if (bytes.readUInt32BE(at) === 0xc03b3998) blocks.push(at);
  assert.ok(blocks.length > 5);
  let refused = 0;
  for (const at of blocks) {
    for (let byte = 4; byte < 80; byte++) {
      const before = bytes[at + byte];
      bytes[at + byte] = byte % 2 === 0 ? 0xff : before ^ (1 << (byte % 8));
      const source = { sizeBytes: bytes.length, read: readFrom(bytes) };
      try {
        openExt4(source).top().names();
      } catch (error) {
        refused++;
        assert.match((error as Error).name, /^(FileSystemDamage|UnsupportedFileSystem)$/, (error as Error).stack);
      }
      bytes[at + byte] = before;
    }
  }
  assert.ok(refused > 0);
});

function readFrom(bytes: Buffer): BlockSource["read"] {
  return (buffer, bufferOffset, length, position) => {
    assert.ok(position + length <= bytes.length, "no read is outside of the source");
    buffer.set(bytes.subarray(position, position + length), bufferOffset);
  };
}
