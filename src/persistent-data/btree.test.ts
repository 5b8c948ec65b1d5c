import assert from "node:assert/strict";
import { test } from "node:test";
import { blockBytes } from "./block.ts";
import { BlockCache } from "./block-cache.ts";
import type { BlockFile } from "./block-file.ts";
import { BlockIndex } from "./bitmap-index.ts";
import { childAt, entryCount, isLeaf, keyAt, leastEntries } from "./btree-node.ts";
import { BTreeRemover } from "./btree-remove.ts";
import { BTree } from "./btree.ts";
import { noSpaceMap, SpaceMap } from "./space-map.ts";
import { Transaction } from "./transaction.ts";

/** A metadata space in memory. */
function makeSpace(blocks: number): { transaction: Transaction; space: SpaceMap } {
  const content = new Uint8Array(blocks * blockBytes);
  const file: BlockFile = {
    readOnly: false,
    sizeBlocks: () => blocks,
    read: (block, into) => into.set(content.subarray(block * blockBytes, (block + 1) * blockBytes)),
    write: (first, written) => written.forEach((bytes, i) => content.set(bytes, (first + i) * blockBytes)),
    flush: () => undefined,
    close: () => undefined,
  };
  const transaction = new Transaction(new BlockCache(file, 100));
  const counts = new BTree(transaction, { words: 1 });
  const space = new SpaceMap(transaction, new BlockIndex(transaction, 0), counts, noSpaceMap);
  transaction.counts = space.counts;
  space.extend(blocks);
  transaction.increment(0);
  return { transaction, space };
}

function commit({ transaction, space }: ReturnType<typeof makeSpace>): void {
  space.write();
  transaction.cache.writeDirty();
  transaction.cache.settle();
  space.counts.endTransaction();
}

/** Checks fill and order of every node; the number of levels. */
function checkForm(tree: BTree, root: number): number {
  const visit = (number: number, lowest: number, end: number, level: number): number => {
    const { words } = tree.node(number);
    const count = entryCount(words);
    if (level > 0) assert.ok(count >= leastEntries(words), `node ${number} has ${count} entries`);
    let depth = level + 1;
    for (let entry = 0, previous = lowest - 1; entry < count; entry++) {
      const key = keyAt(words, entry);
      assert.ok(key > previous && key < end);
      previous = key;
      const next = entry + 1 < count ? keyAt(words, entry + 1) : end;
      if (!isLeaf(words)) depth = visit(childAt(words, entry), key, next, level + 1);
    }
    return depth;
  };
  return visit(root, 0, Infinity, 0);
}

function put(tree: BTree, root: number, key: number, value: number): number {
  const changed = tree.slot(root, key);
  tree.leaf.words[tree.valueWord] = value;
  return changed;
}

function contents(tree: BTree, root: number): [number, number][] {
  const found: [number, number][] = [];
  for (const { words, first, last } of tree.leaves(root, 0, Infinity)) {
    for (let entry = first; entry < last; entry++) {
      tree.find(root, keyAt(words, entry));
      found.push([keyAt(words, entry), tree.leaf.words[tree.valueWord]]);
    }
  }
  return found;
}

const orders: Record<string, (i: number, n: number) => number> = {
  ascending: (i) => i,
  descending: (i, n) => n - 1 - i,
  "from the middle out": (i, n) => (n >>> 1) + (i & 1 ? -1 : 1) * ((i + 1) >>> 1),
  scattered: (i, n) => (i * 7919) % n,
};

for (const [name, keyOf] of Object.entries(orders)) {
  test(`keys in ${name} order make a sound tree, which shrinks to nothing again`, () => {
    const space = makeSpace(6000);
    const tree = new BTree(space.transaction, { words: 6 });
    const remover = new BTreeRemover(tree);
    let root = tree.create();
    const n = 40001;
    for (let i = 0; i < n; i++) {
      root = put(tree, root, 1 + keyOf(i, n), i);
      if (i % 5000 === 0) commit(space);
    }
    assert.equal(checkForm(tree, root), 3);
    assert.equal(remover.countEntries(root), n);
    for (let i = 0; i < n; i += 97) {
      assert.ok(tree.find(root, 1 + keyOf(i, n)));
      assert.equal(tree.leaf.words[tree.valueWord], i);
    }
    assert.equal(tree.find(root, 0), false);
    assert.equal(tree.find(root, n + 1), false);
    assert.equal(tree.highestKey(root), n);
    assert.equal(tree.lowestKeyFrom(root, 5), 5);
    let left = n;
    for (let i = 0; i < n; i += 20) {
      const key = 1 + keyOf(i, n);
      root = remover.removeRange(root, key, key + 17);
      left -= remover.removed;
      if (i % 2000 === 0) {
        checkForm(tree, root);
        assert.equal(remover.countEntries(root), left);
        commit(space);
      }
    }
    root = remover.removeRange(root, 0, Infinity);
    assert.equal(remover.removed, left);
    assert.equal(entryCount(tree.node(root).words), 0);
    commit(space);
    remover.free(root);
    commit(space);
    // Block 0, the space map's index, its bitmap, its tree of large counts.
    assert.equal(space.space.counts.allocated, 4);
  });
}

test("keys that come in order fill their leaves", () => {
  const { transaction } = makeSpace(2000);
  const tree = new BTree(transaction, { words: 2 });
  let root = tree.create();
  for (let key = 0; key < 100_000; key++) root = put(tree, root, key, key);
  assert.ok(transaction.counts.allocated < 1.03 * (100_000 / 252));
});

test("trees that share nodes change apart", () => {
  const space = makeSpace(3000);
  const { transaction } = space;
  const tree = new BTree(transaction, { words: 2 });
  const remover = new BTreeRemover(tree);
  const roots = [tree.create()];
  const models = [new Map<number, number>()];
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let step = 0; step < 3000; step++) {
    const i = random(roots.length);
    const key = random(20_000);
    if (step % 400 === 399 && roots.length < 6) {
      transaction.increment(roots[i]);
      roots.push(roots[i]);
      models.push(new Map(models[i]));
    } else if (random(8) === 0) {
      const end = key + random(4000);
      roots[i] = remover.removeRange(roots[i], key, end);
      let removed = 0;
      for (const known of [...models[i].keys()]) if (known >= key && known < end && models[i].delete(known)) removed++;
      assert.equal(remover.removed, removed);
    } else {
      for (let k = key; k < key + 40; k++) {
        roots[i] = put(tree, roots[i], k, step);
        models[i].set(k, step);
      }
    }
    if (step % 50 === 0) commit(space);
    if (step % 500 === 0) {
      for (const [which, root] of roots.entries()) {
        checkForm(tree, root);
        assert.deepEqual(
          contents(tree, root),
          [...models[which]].sort(([a], [b]) => a - b),
        );
      }
    }
  }
  for (const root of roots) remover.free(root);
  commit(space);
  assert.equal(space.space.counts.allocated, 4);
});
