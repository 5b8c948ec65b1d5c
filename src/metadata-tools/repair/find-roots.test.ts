import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Block, blockBytes } from "../../persistent-data/block.ts";
import { RecordingBlockFile } from "../../thin/metadata.testing.ts";
import { readSuperblock, type Superblock } from "../../thin/superblock.ts";
import { agePool, type Commit, poolShapes } from "../testing/aged-pools.ts";
import { fileOf } from "../testing/repaired-pool.ts";
import { findRoots } from "./find-roots.ts";
import { NodeScan } from "./node-scan.ts";
import { RootCandidates } from "./root-candidates.ts";

function superblockOf({ content }: Commit): Superblock {
  const block = new Block(0);
  block.bytes.set(content.subarray(0, blockBytes));
  return readSuperblock(block);
}

suite("without the superblock", () => {
  for (const shape of poolShapes) {
    test(`${shape.name}: the last commit is found, of all that lie about`, () => {
      for (const seed of [1, 2, 3]) {
        const { commits } = agePool(shape, seed);
        for (const commit of commits.slice(1)) {
          const file = fileOf(commit.content);
          file.content.fill(0, 0, blockBytes);
          const candidates = new RootCandidates(new NodeScan(file));
          const found = findRoots(candidates);
          const { mappingRoot, detailsRoot } = superblockOf(commit);
          assert.equal(found?.whole, true);
          assert.equal(found.detailsRoot, detailsRoot);
          // A commit may leave the tree of devices as it was, in other blocks.
          assert.equal(candidates.ofDevices(found.mappingRoot).counts, candidates.ofDevices(mappingRoot).counts);
        }
      }
    });
  }

  test("nothing is made up where there are no trees", () => {
    assert.equal(findRoots(new RootCandidates(new NodeScan(new RecordingBlockFile(50)))), undefined);
  });
});
