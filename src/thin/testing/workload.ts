import assert from "node:assert/strict";
import type { Pool } from "../pool.ts";
import { ModelDevice } from "./pool-model.ts";
import type { PoolModel } from "./pool-model.ts";
import type { Random } from "./random.ts";

/** Something done to a pool. */
export type Operation =
  | { kind: "write"; id: number; offset: number; bytes: Buffer }
  | { kind: "read" | "discard" | "punchHole" | "writeZeroes"; id: number; offset: number; length: number }
  | { kind: "flush"; id: number }
  | { kind: "create" | "delete"; id: number }
  | { kind: "snapshot"; id: number; origin: number }
  /** Takes a metadata snapshot, or drops the one there is. */
  | { kind: "metadataSnapshot"; id: number };

/** How large the devices and how many they are. */
export interface WorkloadShape {
  readonly blockBytes: number;
  readonly deviceBytes: number;
  readonly maxDevices: number;
}

/** Chooses random operations that suit a model's state. Ids are not used twice. */
export class Workload {
  readonly shape: WorkloadShape;
  readonly #random: Random;
  #nextId = 1;
  #stamp = 0;

  constructor(random: Random, shape: WorkloadShape) {
    this.#random = random;
    this.shape = shape;
  }

  next(model: PoolModel): Operation {
    const random = this.#random;
    const ids = [...model.devices.keys()];
    const chance = random.below(100);
    if (ids.length === 0 || (chance < 2 && ids.length < this.shape.maxDevices)) {
      return { kind: "create", id: this.#nextId++ };
    }
    const id = random.pick(ids);
    if (chance < 6 && ids.length < this.shape.maxDevices) return { kind: "snapshot", id: this.#nextId++, origin: id };
    if (chance < 9 && ids.length > 2) return { kind: "delete", id };
    if (chance < 12) return { kind: "flush", id };
    if (chance < 13) return { kind: "metadataSnapshot", id };
    if (chance < 20) return { kind: "discard", id, ...this.#range() };
    if (chance < 26) return { kind: "punchHole", id, ...this.#range() };
    if (chance < 31) return { kind: "writeZeroes", id, ...this.#range() };
    const { offset, length } = this.#range();
    if (chance < 50) return { kind: "read", id, offset, length };
    return { kind: "write", id, offset, bytes: Buffer.alloc(length, `<${++this.#stamp}>`) };
  }

  /** Odd, sector-aligned and block-aligned ranges; most are short, some span many blocks. */
  #range(): { offset: number; length: number } {
    const random = this.#random;
    const { blockBytes, deviceBytes } = this.shape;
    const unit = random.pick([1, 512, 4096, blockBytes, blockBytes]);
    const units = Math.floor(deviceBytes / unit);
    const offset = random.below(units) * unit;
    const most = random.pick([4096, blockBytes, 2 * blockBytes, 5 * blockBytes, 17 * blockBytes]);
    const wanted = unit * (1 + random.below(Math.max(1, Math.floor(most / unit))));
    return { offset, length: Math.min(wanted, deviceBytes - offset) };
  }
}

/** Carries an operation out; the request must succeed, and a read must give what the model says. */
export function execute(pool: Pool, operation: Operation, model: PoolModel, deviceBytes: number): void {
  switch (operation.kind) {
    case "create":
      pool.message(`create_thin ${operation.id}`);
      pool.activate(operation.id, deviceBytes / 512, { tag: `device ${operation.id}` });
      return;
    case "snapshot":
      pool.message(`create_snap ${operation.id} ${operation.origin}`);
      pool.activate(operation.id, deviceBytes / 512, { tag: `device ${operation.id}` });
      return;
    case "delete":
      pool.deactivate(operation.id);
      pool.message(`delete ${operation.id}`);
      return;
  }
  if (operation.kind === "metadataSnapshot") {
    pool.message(pool.metadata.heldRoot === 0 ? "reserve_metadata_snap" : "release_metadata_snap");
    return;
  }
  const volume = pool.volume(operation.id);
  assert.ok(volume);
  if (operation.kind === "read") {
    const { offset, length, id } = operation;
    const buffer = Buffer.alloc(length + 8, 0xee);
    assert.equal(volume.read(buffer, 4, offset, length), 0);
    const expected = model.devices.get(id)?.read(offset, length);
    assert.ok(expected && buffer.compare(expected, 0, length, 4, length + 4) === 0, `device ${id} at ${offset}`);
    assert.equal(buffer.readUInt32LE(0), 0xeeeeeeee);
    assert.equal(buffer.readUInt32LE(length + 4), 0xeeeeeeee);
    return;
  }
  const status =
    operation.kind === "flush"
      ? volume.flush()
      : operation.kind === "write"
        ? volume.write(operation.bytes, 0, operation.offset, operation.bytes.length)
        : volume[operation.kind](operation.offset, operation.length);
  assert.equal(status, 0, operation.kind);
}

/** Does to the model what the operation does to a pool. */
export function applyToModel(model: PoolModel, operation: Operation, shape: WorkloadShape): void {
  const device = model.devices.get(operation.id);
  switch (operation.kind) {
    case "create":
      model.devices.set(operation.id, new ModelDevice(shape.deviceBytes));
      return;
    case "snapshot": {
      const origin = model.devices.get(operation.origin);
      if (origin !== undefined) model.devices.set(operation.id, origin.snapshot());
      return;
    }
    case "delete":
      model.devices.delete(operation.id);
      return;
    case "write":
      device?.write(operation.offset, operation.bytes);
      return;
    case "punchHole":
    case "writeZeroes":
      device?.zero(operation.offset, operation.length);
      return;
    case "discard": {
      const { blockBytes } = shape;
      const begin = Math.ceil(operation.offset / blockBytes) * blockBytes;
      const end = Math.floor((operation.offset + operation.length) / blockBytes) * blockBytes;
      if (begin < end) device?.zero(begin, end - begin);
    }
  }
}

/** Compares every byte of every device of a pool with the model. */
export function compareAll(pool: Pool, model: PoolModel): void {
  assert.deepEqual(
    [...pool.metadata.details()].map(({ id }) => id),
    [...model.devices.keys()].sort((a, b) => a - b),
  );
  for (const [id, device] of model.devices) {
    const bytes = readAll(pool, id, device.sizeBytes);
    const expected = device.read(0, device.sizeBytes);
    if (bytes.equals(expected)) continue;
    const at = bytes.findIndex((byte, index) => byte !== expected[index]);
    const show = (buffer: Buffer): string => JSON.stringify(buffer.toString("latin1", at, at + 12));
    assert.fail(`device ${id} differs at byte ${at}: ${show(bytes)} instead of ${show(expected)}`);
  }
}

/** A device's contents; it is activated for that when it is not active. */
export function readAll(pool: Pool, id: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  const volume = pool.volume(id) ?? pool.activate(id, sizeBytes / 512, { tag: "" });
  assert.equal(volume.read(bytes, 0, 0, sizeBytes), 0);
  return bytes;
}
