import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openBlockFile } from "../persistent-data/block-file.ts";
import { makeBlockFile, seededRandom, withFolder } from "../thin/metadata.testing.ts";
import { MetadataView } from "../thin/metadata-view.ts";
import { ThinMetadata } from "../thin/metadata.ts";
import type { MappingSource } from "./added-blocks.ts";
import { changedBlocks, type ChangedRun } from "./changed-blocks.ts";

const nothing = (): void => undefined;

function inPool(use: (metadata: ThinMetadata, view: () => MetadataView) => void): Promise<void> {
  return withFolder((folder) => {
    const path = join(folder, "metadata");
    makeBlockFile(path, 4000);
    const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: 200_000 });
    const file = openBlockFile(path, { readOnly: true });
    use(metadata, () => {
      metadata.commit(nothing);
      return new MetadataView(file);
    });
    file.close();
    metadata.close();
  });
}

/** All parts of the answer, and how many they were. */
function everything(source: MappingSource, id: number, originId?: number): { runs: ChangedRun[]; parts: number } {
  const runs: ChangedRun[] = [];
  let begin: number | undefined = 0;
  let parts = 0;
  while (begin !== undefined) {
    const part = changedBlocks(source, id, originId, begin);
    runs.push(...part.runs);
    parts++;
    begin = part.next;
  }
  return { runs, parts };
}

/** By looking each block up. */
function expected(metadata: ThinMetadata, id: number, originId: number | undefined, blocks: number): string[] {
  const device = metadata.openDevice(id);
  const origin = originId === undefined ? undefined : metadata.openDevice(originId);
  const found: string[] = [];
  for (let block = 0; block < blocks; block++) {
    const [here, there] = [device.lookup(block), origin?.lookup(block) ?? -1];
    if (here >= 0 && here !== there) found.push(`mapped ${block}`);
    if (here < 0 && there >= 0) found.push(`unmapped ${block}`);
  }
  return found;
}

const byBlock = (runs: ChangedRun[]): string[] =>
  runs.flatMap(({ kind, begin, length }) => Array.from({ length }, (_, block) => `${kind} ${begin + block}`));

test("what differs is what a look at every block says, in a running pool's metadata and in a view of them", () =>
  inPool((metadata, view) => {
    const random = seededRandom(23);
    for (let id = 0; id < 24; id++) {
      if (id % 8 === 0) metadata.createThin(id);
      else metadata.createSnapshot(id, id - 1);
      const device = metadata.openDevice(id);
      for (let count = random(600); count > 0; count--) {
        const block = random(6000);
        device.remove(block, 1);
        device.insert(block, metadata.allocateDataBlock());
      }
      if (id % 3 === 0) device.remove(random(5000), 300);
    }
    const committed = view();
    for (const [id, originId] of [
      [7, 6],
      [7, 0],
      [6, 7],
      [23, 16],
      [23, 3],
      [5, 5],
      [12, undefined],
    ] as const) {
      const wanted = expected(metadata, id, originId, 6000);
      const { runs } = everything(committed, id, originId);
      assert.deepEqual(byBlock(runs), wanted, `${id} against ${originId}`);
      assert.deepEqual(everything(metadata, id, originId).runs, runs);
    }
    assert.throws(() => changedBlocks(committed, 99, undefined, 0), { code: "ENODATA" });
    assert.throws(() => changedBlocks(committed, 1, 99, 0), { code: "ENODATA" });
  }));

test("much is told in parts", () =>
  inPool((metadata, view) => {
    metadata.createThin(1);
    const device = metadata.openDevice(1);
    for (let block = 0; block < 40_000; block += 2) device.insert(block, metadata.allocateDataBlock());
    metadata.createSnapshot(2, 1);
    metadata.openDevice(2).remove(0, 40_000);
    const committed = view();
    for (const [id, originId, kind] of [
      [1, undefined, "mapped"],
      [1, 2, "mapped"],
      [2, 1, "unmapped"],
    ] as const) {
      const { runs, parts } = everything(committed, id, originId);
      assert.equal(parts, 3);
      assert.deepEqual(
        runs,
        Array.from({ length: 20_000 }, (_, index) => ({ kind, begin: 2 * index, length: 1 })),
      );
    }
  }));
