import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { check } from "./check.ts";
import { owners, sharers } from "./owners.ts";
import { usage } from "./usage.ts";
import { ThinMetadata } from "../thin/metadata.ts";
import {
  engineDump,
  haveThinTools,
  makeBlockFile,
  seededRandom,
  thinCheckComplaints,
  thinDump,
  withFolder,
} from "../thin/metadata.testing.ts";

/** A device in the model: virtual block → data block and time. */
interface ModelDevice {
  mappings: Map<number, { dataBlock: number; time: number }>;
  snapshottedTime: number;
}

interface Model {
  devices: Map<number, ModelDevice>;
  time: number;
  transactionId: number;
  /** Devices as they were when the metadata snapshot was taken. */
  held: Map<number, ModelDevice> | undefined;
}

const copyOfDevices = (devices: Map<number, ModelDevice>): Map<number, ModelDevice> =>
  new Map([...devices].map(([id, device]) => [id, { ...device, mappings: new Map(device.mappings) }]));

const copyOf = (model: Model): Model => ({ ...model, devices: copyOfDevices(model.devices) });

/** References to each data block from devices and metadata snapshot, by sets of mappings that are stored once. */
function usedDataBlocks(model: Model): Set<number> {
  const used = new Set<number>();
  for (const devices of [model.devices, model.held ?? []]) {
    for (const [, { mappings }] of devices) for (const { dataBlock } of mappings.values()) used.add(dataBlock);
  }
  return used;
}

const without = (all: Set<number>, some: Set<number>): Set<number> => new Set([...all].filter((n) => !some.has(n)));

function compare(metadata: ThinMetadata, model: Model): void {
  const dump = engineDump(metadata);
  assert.deepEqual(
    [...dump.keys()],
    [...model.devices.keys()].sort((a, b) => a - b),
  );
  for (const [id, { mappings, snapshottedTime }] of model.devices) {
    const device = dump.get(id)!;
    assert.equal(device.mappedBlocks, mappings.size, `mapped blocks of ${id}`);
    assert.equal(device.snapshottedTime, snapshottedTime);
    const expected = [...mappings].sort(([a], [b]) => a - b).map(([v, m]) => [v, `${m.dataBlock}@${m.time}`]);
    assert.deepEqual([...device.mappings], expected, `mappings of ${id}`);
    const highest = Math.max(-1, ...mappings.keys());
    assert.equal(metadata.openDevice(id).highestMapped(), highest);
  }
  const used = usedDataBlocks(model);
  assert.equal(metadata.allocatedDataBlocks, used.size);
  for (const block of used) assert.ok(metadata.dataReferenceCount(block) > 0);
}

/** Which devices map a data block, and where. */
function modelOwners(model: Model): Map<number, { id: number; virtualBlock: number }[]> {
  const owners = new Map<number, { id: number; virtualBlock: number }[]>();
  for (const [id, { mappings }] of [...model.devices].sort(([a], [b]) => a - b)) {
    for (const [virtualBlock, { dataBlock }] of mappings) {
      const list = owners.get(dataBlock);
      if (list === undefined) owners.set(dataBlock, [{ id, virtualBlock }]);
      else list.push({ id, virtualBlock });
    }
  }
  return owners;
}

function compareUsage(metadata: ThinMetadata, model: Model): void {
  const expected = modelOwners(model);
  for (const dataBlock of [...expected.keys()].slice(0, 3)) {
    const of = expected.get(dataBlock)!;
    assert.deepEqual(owners(metadata, dataBlock), of);
    assert.deepEqual(
      sharers(metadata, of[0].id, of[0].virtualBlock),
      of.map(({ id }) => id),
    );
  }
  // A metadata snapshot shares too, and the model does not know at which nodes.
  if (model.held !== undefined) return;
  for (const { id, mappedBlocks, exclusiveBlocks } of usage(metadata)) {
    const { mappings } = model.devices.get(id)!;
    assert.equal(mappedBlocks, mappings.size);
    let alone = 0;
    for (const { dataBlock } of mappings.values()) if (expected.get(dataBlock)!.length === 1) alone++;
    assert.equal(exclusiveBlocks, alone, `exclusive blocks of ${id}`);
  }
}

function compareWithTools(path: string, metadata: ThinMetadata, model: Model): void {
  assert.equal(thinCheckComplaints(path), "");
  assert.deepEqual(check(path), []);
  assert.deepEqual(thinDump(path), engineDump(metadata));
  if (model.held === undefined) return;
  const held = thinDump(path, ["-m"]);
  assert.deepEqual(
    [...held.keys()],
    [...model.held.keys()].sort((a, b) => a - b),
  );
  for (const [id, { mappings }] of model.held) {
    const expected = [...mappings].sort(([a], [b]) => a - b).map(([v, m]) => [v, `${m.dataBlock}@${m.time}`]);
    assert.deepEqual([...held.get(id)!.mappings], expected, `held mappings of ${id}`);
  }
}

function nothing(): void {
  // There is no data here to flush.
}

/** Runs so many random operations on metadata and model alike. */
function run(path: string, seed: number, operations: number): void {
  const random = seededRandom(seed);
  const pick = <T>(items: Iterable<T>): T | undefined => {
    const all = [...items];
    return all[random(all.length)];
  };
  makeBlockFile(path, 4000);
  let metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: 20000 });
  let model: Model = { devices: new Map(), time: 0, transactionId: 0, held: undefined };
  let committed = copyOf(model);
  const span = 3000;

  const commit = (): void => {
    metadata.commit(nothing);
    committed = copyOf(model);
  };
  const write = (id: number, virtualBlock: number): void => {
    const device = model.devices.get(id)!;
    const mapping = metadata.openDevice(id);
    const found = mapping.lookup(virtualBlock);
    const expected = device.mappings.get(virtualBlock);
    assert.equal(found, expected?.dataBlock ?? -1);
    if (expected !== undefined) {
      assert.equal(mapping.time, expected.time);
      assert.equal(mapping.isShared(), expected.time < device.snapshottedTime);
    }
    let dataBlock = metadata.allocateDataBlock();
    if (dataBlock < 0) {
      commit();
      dataBlock = metadata.allocateDataBlock();
      if (dataBlock < 0) return;
    }
    assert.equal(metadata.dataReferenceCount(dataBlock), 1);
    const freed = mapping.insert(virtualBlock, dataBlock);
    device.mappings.set(virtualBlock, { dataBlock, time: model.time });
    if (freed >= 0) {
      assert.equal(freed, expected?.dataBlock);
      assert.ok(!usedDataBlocks(model).has(freed), "a block in use is not freed");
    }
    assert.equal(mapping.lookup(virtualBlock), dataBlock);
  };

  for (let operation = 0; operation < operations; operation++) {
    const id = random(40);
    const known = pick(model.devices.keys());
    switch (random(14)) {
      case 0:
        if (model.devices.has(id)) assert.throws(() => metadata.createThin(id), { code: "EEXIST" });
        else {
          metadata.createThin(id);
          model.devices.set(id, { mappings: new Map(), snapshottedTime: model.time });
        }
        break;
      case 1:
      case 2: {
        if (known === undefined) break;
        if (model.devices.has(id)) {
          assert.throws(() => metadata.createSnapshot(id, known), { code: "EEXIST" });
          break;
        }
        metadata.createSnapshot(id, known);
        const origin = model.devices.get(known)!;
        origin.snapshottedTime = ++model.time;
        model.devices.set(id, { mappings: new Map(origin.mappings), snapshottedTime: model.time });
        break;
      }
      case 3: {
        if (known === undefined || random(2) === 0) break;
        metadata.closeDevice(known);
        const before = usedDataBlocks(model);
        const freed = new Set<number>();
        metadata.deleteThin(known, (block) => freed.add(block));
        model.devices.delete(known);
        assert.deepEqual(freed, without(before, usedDataBlocks(model)));
        assert.throws(() => metadata.openDevice(known), { code: "ENODATA" });
        break;
      }
      case 4:
      case 5: {
        if (known === undefined) break;
        const device = model.devices.get(known)!;
        const begin = random(span);
        const end = begin + 1 + random(random(4) === 0 ? span : 200);
        let expected = 0;
        const before = usedDataBlocks(model);
        for (let v = begin; v < end; v++) if (device.mappings.delete(v)) expected++;
        const freed = new Set<number>();
        const removed = metadata.openDevice(known).remove(begin, end, (block) => freed.add(block));
        assert.equal(removed, expected);
        assert.deepEqual(freed, without(before, usedDataBlocks(model)));
        break;
      }
      case 6:
        if (random(3) === 0) commit();
        break;
      case 7:
        if (random(8) !== 0) break;
        metadata.abort();
        model = copyOf(committed);
        break;
      case 8:
        if (random(8) !== 0) break;
        commit();
        metadata.close();
        metadata = ThinMetadata.open(path);
        break;
      case 9:
        if (random(8) !== 0) break;
        if (model.held === undefined) {
          metadata.reserveMetadataSnapshot(nothing);
          committed = copyOf(model);
          model.held = copyOfDevices(model.devices);
        } else {
          metadata.releaseMetadataSnapshot();
          model.held = undefined;
        }
        break;
      case 10:
        metadata.setTransactionId(model.transactionId, model.transactionId + 1);
        model.transactionId++;
        break;
      case 11:
        if (random(30) === 0) metadata.resizeData(metadata.dataBlocks + random(5000));
        break;
      default: {
        if (known === undefined) break;
        const start = random(span);
        const inOrder = random(2) === 0;
        for (let i = random(300); i > 0; i--) write(known, inOrder ? start + i : random(span));
      }
    }
    if (operation % 100 === 99) {
      compare(metadata, model);
      compareUsage(metadata, model);
    }
    if (operation % 250 === 249) {
      commit();
      compareWithTools(path, metadata, model);
    }
  }
  commit();
  compare(metadata, model);
  compareWithTools(path, metadata, model);

  // And down to nothing again, where the trees shrink.
  if (model.held !== undefined) metadata.releaseMetadataSnapshot();
  for (const id of model.devices.keys()) {
    metadata.closeDevice(id);
    metadata.deleteThin(id);
  }
  metadata.commit(nothing);
  assert.equal(metadata.allocatedDataBlocks, 0);
  assert.equal(thinCheckComplaints(path), "");
  metadata.close();
}

for (const seed of [1, 2, 3]) {
  test(`thousands of random operations agree with a model and thin_check (seed ${seed})`, (t) => {
    if (!haveThinTools) return t.skip("thin-provisioning-tools are not installed");
    return withFolder((folder) => run(join(folder, "metadata"), seed, 1000));
  });
}
