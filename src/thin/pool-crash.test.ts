import assert from "node:assert/strict";
import { before, test } from "node:test";
import { applyEvent, recordEvents, VolatileDisk } from "./testing/crash-recording.ts";
import type { CrashEvent } from "./testing/crash-recording.ts";
import { MemoryJournalFile } from "./testing/memory-devices.ts";
import type { MemoryDisk } from "./testing/memory-disk.ts";
import { PoolModel } from "./testing/pool-model.ts";
import { Random } from "./testing/random.ts";
import { TestPool, thinCheck } from "./testing/test-pool.ts";
import { applyToModel, execute, readAll, Workload } from "./testing/workload.ts";
import type { Operation } from "./testing/workload.ts";

const blockBytes = 64 * 1024;
const shape = { blockBytes, deviceBytes: 8 * blockBytes, maxDevices: 7 };
const options = { dataBlocks: 160, metadataBlocks: 256 };

/** An operation, the models before and after it, and the events from `begin` to `end` that it caused. */
interface Step {
  readonly operation: Operation | undefined;
  readonly begin: number;
  readonly end: number;
  readonly model: PoolModel;
}

/** A run of mixed operations with every event recorded. */
function record(seed: number, count: number): { start: TestPool; events: CrashEvent[]; steps: Step[] } {
  const random = new Random(seed);
  const workload = new Workload(random, shape);
  const disks = new TestPool(options);
  disks.open();
  disks.pool.commit();
  const start = new TestPool(options);
  start.data = disks.data.clone();
  start.metadata = disks.metadata.clone();
  start.journal.bytes = disks.journal.bytes.slice();
  const events = recordEvents(disks);
  const model = new PoolModel();
  const steps: Step[] = [{ operation: undefined, begin: 0, end: 0, model: model.snapshot() }];
  for (let index = 0; index < count; index++) {
    const operation = workload.next(model);
    const begin = events.length;
    execute(disks.pool, operation, model, shape.deviceBytes);
    if (random.once(25)) {
      disks.nowMs += 1000;
      disks.pool.tick();
    }
    applyToModel(model, operation, shape);
    steps.push({ operation, begin, end: events.length, model: model.snapshot() });
  }
  return { start, events, steps };
}

function openFrom(data: MemoryDisk, metadata: MemoryDisk, journal: Uint8Array): TestPool {
  const disks = new TestPool(options);
  disks.data = data;
  disks.metadata = metadata;
  disks.journal.bytes = journal.slice();
  disks.open();
  return disks;
}

/** Every byte of every device must be what one of the models says; a device must be there if all models have it. */
function requireOneOf(disks: TestPool, models: readonly PoolModel[]): void {
  const present = new Set([...disks.pool.metadata.details()].map(({ id }) => id));
  for (const id of new Set(models.flatMap((model) => [...model.devices.keys()]))) {
    const candidates = models.map((model) => model.devices.get(id));
    if (!present.has(id)) {
      assert.ok(candidates.includes(undefined), `device ${id} is lost`);
      continue;
    }
    const bytes = readAll(disks.pool, id, shape.deviceBytes);
    for (let chunk = 0; chunk * blockBytes < shape.deviceBytes; chunk++) {
      const found = bytes.subarray(chunk * blockBytes, (chunk + 1) * blockBytes);
      const allowed = [...new Set(candidates.map((candidate) => candidate?.chunks[chunk]))].filter(
        (buffer) => buffer !== undefined,
      );
      if (allowed.some((buffer) => buffer.equals(found))) continue;
      const at = found.findIndex((byte, index) => !allowed.some((buffer) => buffer[index] === byte));
      if (at < 0) continue;
      const text = JSON.stringify(found.toString("latin1", at, at + 12));
      assert.fail(`device ${id}, chunk ${chunk}, byte ${at}: ${text} was never there`);
    }
  }
  for (const id of present) {
    assert.ok(
      models.some((model) => model.devices.has(id)),
      `device ${id} should be gone`,
    );
  }
}

const durable = new Set<Operation["kind"]>(["flush", "create", "snapshot", "delete", "metadataSnapshot"]);

let run: ReturnType<typeof record>;
before(() => {
  run = record(11, 180);
});

test("a kill between any two I/Os loses nothing acknowledged, and its successor commits cleanly", () => {
  const { start, events, steps } = run;
  const replicas = { data: new VolatileDisk(start.data), metadata: new VolatileDisk(start.metadata) };
  const journal = new MemoryJournalFile();
  journal.bytes = start.journal.bytes.slice();
  const random = new Random(1);
  let done = 0;
  for (let cut = 0; cut <= events.length; cut++) {
    while (done + 1 < steps.length && steps[done + 1].end <= cut) done++;
    const underWay = done + 1 < steps.length && steps[done + 1].begin < cut ? [steps[done + 1].model] : [];
    const next = events.at(cut);
    // The event at the cut may have got half way.
    const torn = journal.bytes.slice();
    const bytes =
      next?.disk === "journal" && next.kind === "append"
        ? Buffer.concat([torn, next.bytes.subarray(0, random.below(next.bytes.length))])
        : torn;
    const data = replicas.data.afterKill();
    if (next?.disk === "data" && next.kind === "write") {
      data.apply({ ...next, bytes: next.bytes.subarray(0, random.below(next.bytes.length)) });
      if (done + 1 < steps.length) underWay.push(steps[done + 1].model);
    }
    try {
      const disks = openFrom(data, replicas.metadata.afterKill(), bytes);
      const active = disks.pool.active().map(({ id }) => id);
      const devices = [...steps[done].model.devices.keys()];
      if (underWay.length === 0) assert.deepEqual(active.sort(), devices.sort());
      requireOneOf(disks, [steps[done].model, ...underWay]);
      if (cut % 16 === 0) thinCheck(disks.metadata);
      // A second kill right after the first recovery.
      if (cut % 5 === 0)
        requireOneOf(openFrom(disks.data, disks.metadata, disks.journal.bytes), [steps[done].model, ...underWay]);
    } catch (error) {
      throw new Error(`killed before event ${cut} of ${events.length}: ${String(error)}`, { cause: error });
    }
    if (next !== undefined) applyEvent(next, { ...replicas, journal });
  }
});

test("a power cut between any two I/Os loses nothing flushed, whatever else got to the disks", () => {
  const { start, events, steps } = run;
  const replicas = { data: new VolatileDisk(start.data), metadata: new VolatileDisk(start.metadata) };
  const journal = new MemoryJournalFile();
  const random = new Random(2);
  let done = 0;
  let flushed = 0;
  for (let cut = 0; cut <= events.length; cut++) {
    while (done + 1 < steps.length && steps[done + 1].end <= cut) {
      done++;
      const { operation } = steps[done];
      if (operation !== undefined && durable.has(operation.kind)) flushed = done;
    }
    const last = done + 1 < steps.length && steps[done + 1].begin < cut ? done + 1 : done;
    const models = steps.slice(flushed, last + 1).map(({ model }) => model);
    const chance = random.pick([1, 2, 10, 1000]);
    const kept = (): boolean => random.once(chance);
    try {
      const metadata = replicas.metadata.afterPowerCut(kept);
      if (cut % 9 === 0) thinCheck(metadata);
      const disks = openFrom(replicas.data.afterPowerCut(kept), metadata, new Uint8Array(0));
      requireOneOf(disks, models);
      disks.pool.commit();
      if (cut % 23 === 0) thinCheck(disks.metadata);
    } catch (error) {
      throw new Error(`power lost before event ${cut} of ${events.length}: ${String(error)}`, { cause: error });
    }
    const next = events.at(cut);
    if (next !== undefined) applyEvent(next, { ...replicas, journal });
  }
});
