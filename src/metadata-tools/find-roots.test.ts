import assert from "node:assert/strict";
import { test } from "node:test";
import { Block } from "../persistent-data/block.ts";
import { ThinMetadata } from "../thin/metadata.ts";
import { RecordingBlockFile } from "../thin/metadata.testing.ts";
import { readSuperblock } from "../thin/superblock.ts";
import { findRoots } from "./find-roots.ts";

/** A pool with a history: many commits, each of which leaves the roots before it behind. */
function usedPool(): { file: RecordingBlockFile; metadata: ThinMetadata } {
  const file = new RecordingBlockFile(500);
  const metadata = ThinMetadata.formatOn(file, { dataBlockSize: 128, dataBlocks: 4000 });
  metadata.createThin(1);
  const mapping = metadata.openDevice(1);
  for (let block = 0; block < 600; block++) {
    mapping.insert(block, metadata.allocateDataBlock());
    if (block % 50 === 0) metadata.commit(() => undefined);
  }
  for (const id of [2, 3, 4]) {
    metadata.createSnapshot(id, 1);
    metadata.commit(() => undefined);
  }
  metadata.deleteThin(3);
  metadata.commit(() => undefined);
  return { file, metadata };
}

test("the roots of the last commit are found without the superblock", () => {
  const { file } = usedPool();
  const block = new Block(0);
  file.read(0, block.bytes);
  const { mappingRoot, detailsRoot, time } = readSuperblock(block);
  file.write(0, [new Uint8Array(4096)]);
  const found = findRoots(file, new Set([1, 2, 4]));
  assert.equal(found?.mappingRoot, mappingRoot);
  assert.equal(found.detailsRoot, detailsRoot);
  assert.equal(found.time, time);
  assert.deepEqual([...found.details.keys()], [1, 2, 4]);
  assert.deepEqual(found.doubtful, []);
});

test("a lost leaf makes the devices that had it doubtful", () => {
  const { file, metadata } = usedPool();
  const roots = [1, 2, 4].map((id) => metadata.mappingRootOf(id));
  file.write(roots[0], [new Uint8Array(4096)]);
  const found = findRoots(file, new Set([1, 2, 4]));
  assert.deepEqual(found?.doubtful, [1, 2, 4], "all three share the root that was lost");
});

test("nothing is made up where there are no trees", () => {
  assert.equal(findRoots(new RecordingBlockFile(50), new Set([1])), undefined);
});
