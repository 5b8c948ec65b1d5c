import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../thin/metadata.testing.ts";
import { radixOrder } from "./radix-order.ts";

test("orders as a stable sort does, numbers of any size", () => {
  const random = seededRandom(3);
  for (const [count, below] of [
    [0, 1],
    [1, 10],
    [5000, 20],
    [5000, 2 ** 20],
    [5000, 2 ** 53],
  ]) {
    const keys = Array.from({ length: count }, () =>
      below <= 2 ** 32 ? random(below) : random(2 ** 32) * random(2 ** 21),
    );
    const expected = keys.map((_, index) => index).sort((a, b) => keys[a] - keys[b]);
    assert.deepEqual([...radixOrder(count, (index) => keys[index])], expected);
  }
});
