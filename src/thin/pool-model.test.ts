import { test } from "node:test";
import { PoolModel } from "./testing/pool-model.ts";
import { Random } from "./testing/random.ts";
import { TestPool } from "./testing/test-pool.ts";
import { applyToModel, compareAll, execute, Workload } from "./testing/workload.ts";
import type { Operation } from "./testing/workload.ts";

/** Operations after which everything before is durable: a flush, and the messages, which commit. */
const durable = new Set<Operation["kind"]>(["flush", "create", "snapshot", "delete", "metadataSnapshot"]);

/** Thousands of mixed operations on snapshots of snapshots, with kills, power cuts and clean restarts in between. */
function compareWithModel(options: { seed: number; steps: number; blockSizeSectors: number; blocks: number }): void {
  const { seed, steps, blockSizeSectors, blocks } = options;
  const random = new Random(seed);
  const blockBytes = blockSizeSectors * 512;
  const shape = { blockBytes, deviceBytes: blocks * blockBytes + 4096 * 3, maxDevices: 12 };
  const workload = new Workload(random, shape);
  const disks = new TestPool({ blockSizeSectors, dataBlocks: 28 * (blocks + 1), metadataBlocks: 1024 });
  let model = new PoolModel();
  let flushed = model.snapshot();
  disks.open();
  for (let step = 0; step < steps; step++) {
    try {
      const operation = workload.next(model);
      execute(disks.pool, operation, model, shape.deviceBytes);
      applyToModel(model, operation, shape);
      if (durable.has(operation.kind)) flushed = model.snapshot();
      if (random.once(60)) {
        // Without a change of the metadata there is no commit, and so no flush.
        if (disks.pool.metadata.changed) flushed = model.snapshot();
        disks.nowMs += 1000;
        disks.pool.tick();
      }
      if (random.once(150)) {
        // Its successor replays the journal and commits.
        disks.kill();
        disks.pool.commit();
        flushed = model.snapshot();
      } else if (random.once(250)) {
        disks.powerCut();
        model = flushed.snapshot();
        for (const id of model.devices.keys()) {
          disks.pool.activate(id, shape.deviceBytes / 512, { tag: `device ${id}` });
        }
        compareAll(disks.pool, model);
      } else if (random.once(400)) {
        disks.pool.close();
        flushed = model.snapshot();
        disks.open();
        for (const id of model.devices.keys()) disks.pool.activate(id, shape.deviceBytes / 512, { tag: "" });
      }
      if (random.once(200)) {
        disks.pool.commit();
        flushed = model.snapshot();
        compareAll(disks.pool, model);
        disks.thinCheck();
      }
    } catch (error) {
      const what = `at step ${step} of seed ${seed}: ${String(error)}\n${disks.log.join("\n")}`;
      throw new Error(what, { cause: error });
    }
  }
  disks.pool.commit();
  compareAll(disks.pool, model);
  disks.thinCheck();
  disks.pool.close();
}

test("a pool of 64 KiB blocks does what a simple model does, over kills and power cuts", () => {
  compareWithModel({ seed: 1, steps: 4000, blockSizeSectors: 128, blocks: 24 });
});
test("another seed", () => compareWithModel({ seed: 20, steps: 2000, blockSizeSectors: 128, blocks: 40 }));
test("128 KiB blocks", () => compareWithModel({ seed: 3, steps: 1500, blockSizeSectors: 256, blocks: 12 }));
test("192 KiB blocks, no power of two", () => {
  compareWithModel({ seed: 4, steps: 1500, blockSizeSectors: 384, blocks: 10 });
});
test("1 MiB blocks", () => compareWithModel({ seed: 5, steps: 500, blockSizeSectors: 2048, blocks: 4 }));
test("2 MiB blocks, filled piece by piece", () => {
  compareWithModel({ seed: 6, steps: 300, blockSizeSectors: 4096, blocks: 3 });
});
