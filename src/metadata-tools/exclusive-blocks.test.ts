import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openBlockFile } from "../persistent-data/block-file.ts";
import { makeBlockFile, seededRandom, withFolder } from "../thin/metadata.testing.ts";
import { MetadataView } from "../thin/metadata-view.ts";
import { ThinMetadata } from "../thin/metadata.ts";
import { exclusiveBlocks } from "./exclusive-blocks.ts";
import { sharers } from "./owners.ts";
import { usage } from "./usage.ts";

const nothing = (): void => undefined;

function fill(metadata: ThinMetadata): void {
  const random = seededRandom(11);
  for (let id = 0; id < 40; id++) {
    if (id % 8 === 0) metadata.createThin(id);
    else metadata.createSnapshot(id, random(id));
    const device = metadata.openDevice(id);
    for (let count = random(400); count > 0; count--) {
      const block = random(5000);
      if (device.lookup(block) < 0) device.insert(block, metadata.allocateDataBlock());
    }
    if (id % 5 === 0) device.remove(random(3000), 500);
  }
}

test("what a view of the metadata tells is what the engine's counts say, and a metadata snapshot stays as it was", () =>
  withFolder((folder) => {
    const path = join(folder, "metadata");
    makeBlockFile(path, 4000);
    const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: 100_000 });
    fill(metadata);
    metadata.commit(nothing);
    metadata.reserveMetadataSnapshot(nothing);
    metadata.commit(nothing);
    metadata.releaseMetadataSnapshot();
    const expected = usage(metadata);
    const owners = [0, 7, 2500, 4999].map((block) => sharers(metadata, 3, block));
    const file = openBlockFile(path, { readOnly: true });
    const judge = (view: MetadataView) => {
      const exclusive = exclusiveBlocks(view);
      assert.deepEqual(
        [...view.details()].map((each) => ({ ...each, exclusiveBlocks: exclusive.get(each.id) })),
        expected,
      );
      assert.deepEqual(
        [0, 7, 2500, 4999].map((block) => sharers(view, 3, block)),
        owners,
      );
      for (const { id } of expected.slice(0, 10)) {
        const device = metadata.openDevice(id);
        for (let block = 0; block < 5000; block += 7) {
          const found = device.lookup(block);
          assert.deepEqual(view.lookup(id, block), found < 0 ? undefined : { dataBlock: found, time: device.time });
        }
      }
    };
    judge(new MetadataView(file));
    const { heldRoot } = new MetadataView(file).superblock;
    assert.notEqual(heldRoot, 0);
    // The snapshot is still on the device: releasing it was not committed.
    judge(new MetadataView(file, heldRoot));
    assert.throws(() => new MetadataView(file).lookup(99, 0), { code: "ENODATA" });
    file.close();
    metadata.close();
  }));
