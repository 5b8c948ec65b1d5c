import assert from "node:assert/strict";
import { test } from "node:test";
import { FreedBlocks } from "./freed-blocks.ts";

test("freed blocks come out as merged ascending runs, once", () => {
  const freed = new FreedBlocks();
  for (const block of [9, 2, 3, 10, 1, 7, 11]) freed.add(block);
  assert.equal(freed.count, 7);
  assert.deepEqual(freed.takeRuns(), [
    { dataBlock: 1, blocks: 3 },
    { dataBlock: 7, blocks: 1 },
    { dataBlock: 9, blocks: 3 },
  ]);
  assert.deepEqual(freed.takeRuns(), []);
});
