import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockCache } from "../persistent-data/block-cache.ts";
import { BTreeBuilder } from "../persistent-data/btree-builder.ts";
import { entryCount, valueAt } from "../persistent-data/btree-node.ts";
import { BTree } from "../persistent-data/btree.ts";
import { noSpaceMap } from "../persistent-data/space-map.ts";
import { openTrees } from "../thin/metadata-trees.ts";
import { RecordingBlockFile } from "../thin/metadata.testing.ts";
import { walkTree } from "./tree-walk.ts";

// Around the sizes of one, two and many leaves (252 entries) and of one and two inner nodes (252 children).
const sizes = [0, 1, 83, 84, 251, 252, 253, 300, 335, 336, 504, 505, 589, 63_504, 63_505, 63_600, 70_000];

for (const size of sizes) {
  test(`a tree of ${size} keys is sound, and has them all`, () => {
    const cache = new BlockCache(new RecordingBlockFile(2000));
    const { transaction, metadata } = openTrees(cache, { metadata: noSpaceMap, data: noSpaceMap });
    metadata.extend(2000);
    transaction.increment(0);
    const builder = new BTreeBuilder(transaction, 2);
    for (let i = 0; i < size; i++) {
      const leaf = builder.add(3 * i);
      leaf[builder.valueWord] = i;
    }
    const root = builder.finish();

    let found = 0;
    walkTree(root, 2, {
      enter: (block) => new BTree(transaction, { words: 2 }).node(block),
      leaf(words) {
        for (let entry = 0, count = entryCount(words); entry < count; entry++) {
          assert.equal(words[valueAt(words, entry)], found++);
        }
      },
      problem: (_, what) => assert.fail(what),
      underfull: (_, what) => assert.fail(what),
    });
    assert.equal(found, size);
    const tree = new BTree(transaction, { words: 2 });
    for (const i of [0, size >>> 1, size - 1]) assert.equal(tree.find(root, 3 * i), i >= 0 && i < size);
    assert.equal(tree.find(root, 3 * size), false);
  });
}
