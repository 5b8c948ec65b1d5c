import assert from "node:assert/strict";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { makeBlockFile, seededRandom } from "../src/thin/metadata.testing.ts";
import { ours, scratchFolder } from "./thin-tools-support.ts";

const dataBlocks = 60;
const dataBlockBytes = 64 * 1024;
const nothing = (): void => undefined;

/** A pool whose data is written all over, and some of it mapped. Returns the blocks in use. */
function makePool(folder: string): { metadata: string; data: string; used: Set<number> } {
  const [path, data] = ["metadata", "data"].map((name) => join(folder, name));
  makeBlockFile(path, 64);
  const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks });
  metadata.createThin(1);
  const mapping = metadata.openDevice(1);
  for (let block = 0; block < 50; block++) mapping.insert(block, metadata.allocateDataBlock());
  metadata.createSnapshot(2, 1);
  metadata.reserveMetadataSnapshot(nothing);
  const random = seededRandom(5);
  for (let i = 0; i < 12; i++) {
    const block = random(50);
    mapping.remove(block, block + 1);
    metadata.openDevice(2).remove(block, block + 2);
  }
  metadata.releaseMetadataSnapshot();
  metadata.commit(nothing);
  const used = new Set<number>();
  for (let block = 0; block < dataBlocks; block++) if (metadata.dataReferenceCount(block) > 0) used.add(block);
  metadata.close();
  writeFileSync(data, Buffer.alloc(dataBlocks * dataBlockBytes, 0x5a));
  return { metadata: path, data, used };
}

suite("thin_trim", () => {
  test("gives back what is free, and touches nothing else", (t) => {
    const { metadata, data, used } = makePool(scratchFolder(t));
    assert.ok(used.size > 20 && used.size < 50 && used.has(0));
    const { status, stderr } = ours("thin_trim", "--metadata-dev", metadata, "--data-dev", data);
    assert.equal(status, 0, stderr);
    assert.equal(stderr, `${dataBlocks - used.size} of ${dataBlocks} data blocks discarded\n`);
    const bytes = readFileSync(data);
    for (let block = 0; block < dataBlocks; block++) {
      const value = used.has(block) ? 0x5a : 0;
      const content = bytes.subarray(block * dataBlockBytes, (block + 1) * dataBlockBytes);
      assert.ok(
        content.every((byte) => byte === value),
        `block ${block}`,
      );
    }
    assert.ok(statSync(data).blocks * 512 <= (used.size + 1) * dataBlockBytes);
  });

  test("discards nothing by damaged metadata, or of data of another size", (t) => {
    const { metadata, data } = makePool(scratchFolder(t));
    const before = readFileSync(data);
    const sound = readFileSync(metadata);
    const damaged = Buffer.from(sound);
    const opened = ThinMetadata.open(metadata, { readOnly: true });
    damaged[opened.mappingRootOf(1) * 4096 + 200] ^= 1;
    opened.close();
    writeFileSync(metadata, damaged);
    assert.match(ours("thin_trim", "--metadata-dev", metadata, "--data-dev", data).stderr, /it is damaged/);
    writeFileSync(metadata, sound);
    truncateSync(data, (dataBlocks + 1) * dataBlockBytes);
    assert.match(ours("thin_trim", "--metadata-dev", metadata, "--data-dev", data).stderr, /it has 61 blocks/);
    truncateSync(data, dataBlocks * dataBlockBytes);
    assert.ok(readFileSync(data).equals(before));
  });
});
