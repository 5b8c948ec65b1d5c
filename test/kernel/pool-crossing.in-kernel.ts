// Runs inside User-mode Linux: the same pool, by turns in the engine and in the kernel (see pool-crossing.test.ts).
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { check } from "../../src/metadata-tools/check.ts";
import { engineDump, thinCheckComplaints, thinDump, withFolder } from "../../src/thin/metadata.testing.ts";
import { ThinMetadata } from "../../src/thin/metadata.ts";
import { ModelDevice, PoolModel } from "../../src/thin/testing/pool-model.ts";
import { Random } from "../../src/thin/testing/random.ts";
import { applyToModel, Workload, type Operation } from "../../src/thin/testing/workload.ts";
import { KernelSide, sizeFiles, UserSide, type PoolFiles, type PoolSide } from "./pool-crossing-sides.ts";

const MEBIBYTE = 2 ** 20;

function newPool(folder: string, options: Partial<PoolFiles> = {}): PoolFiles {
  const files: PoolFiles = {
    metadata: join(folder, "metadata"),
    data: join(folder, "data"),
    blockSectors: 128,
    dataBlocks: 256,
    metadataBlocks: 512,
    features: [],
    ...options,
  };
  writeFileSync(files.metadata, "");
  writeFileSync(files.data, "");
  sizeFiles(files);
  return files;
}

/** What both must say alike. How many metadata blocks are in use is left out: an activation in the kernel changes it. */
function comparable({ pool, volumes }: ReturnType<PoolSide["status"]>): unknown {
  return { pool: pool.replace(/^(\d+) \d+\//, "$1 */"), volumes: [...volumes].sort(([a], [b]) => a - b) };
}

/** The judges: Debian's thin_check, the project's own, and thin_dump beside what the engine reads. */
function judge(files: PoolFiles, when: string): ReturnType<typeof thinDump> {
  assert.equal(thinCheckComplaints(files.metadata), "", when);
  assert.deepEqual(check(files.metadata), [], when);
  const dump = thinDump(files.metadata);
  const metadata = ThinMetadata.open(files.metadata);
  assert.deepEqual(engineDump(metadata), dump, when);
  metadata.close();
  return dump;
}

const piece = Buffer.alloc(65536);

/** Piece by piece, in the same buffer: fresh memory is dear in User-mode Linux. */
function compareRange(side: PoolSide, id: number, device: ModelDevice, offset: number, length: number): void {
  for (let at = offset; at < offset + length; at += piece.length) {
    const found = piece.subarray(0, Math.min(piece.length, offset + length - at));
    side.read(id, at, found);
    const expected = at % piece.length === 0 ? device.chunks[at / piece.length] : device.read(at, found.length);
    if (found.compare(expected, 0, found.length) === 0) continue;
    const first = found.findIndex((byte, index) => byte !== expected[index]);
    const show = (bytes: Buffer): string => JSON.stringify(bytes.toString("latin1", first, first + 12));
    assert.fail(`device ${id} differs at byte ${at + first}: ${show(found)} instead of ${show(expected)}`);
  }
}

function compare(side: PoolSide, model: PoolModel): void {
  for (const [id, device] of model.devices) compareRange(side, id, device, 0, device.sizeBytes);
}

/** Runs `body` with a pool that is stopped afterwards, also where the test failed. */
async function withTraveller(
  options: Partial<PoolFiles>,
  first: "user" | "kernel",
  body: (traveller: Traveller) => void,
): Promise<void> {
  await withFolder((folder) => {
    const traveller = new Traveller(newPool(folder, options), first);
    try {
      body(traveller);
    } finally {
      traveller.side.close();
    }
    judge(traveller.files, "the end");
  });
}

/** A pool that crosses from one side to the other with its devices, all active on either side, and a model of their bytes. */
class Traveller {
  readonly files: PoolFiles;
  readonly model = new PoolModel();
  side: PoolSide;
  #inKernel: boolean;

  constructor(files: PoolFiles, first: "user" | "kernel") {
    this.files = files;
    this.#inKernel = first === "kernel";
    this.side = this.#inKernel ? new KernelSide(files) : new UserSide(files);
  }

  /** Stops the pool and starts it on the other side: same status, same mappings, same bytes. */
  cross(when: string): void {
    const { files, model } = this;
    const before = comparable(this.side.status());
    this.side.close();
    judge(files, when);
    this.#inKernel = !this.#inKernel;
    this.side = this.#inKernel ? new KernelSide(files) : new UserSide(files);
    const sizes = new Set([...model.devices.values()].map(({ sizeBytes }) => sizeBytes));
    for (const size of sizes) {
      const ids = [...model.devices].filter(([, { sizeBytes }]) => sizeBytes === size).map(([id]) => id);
      this.side.activate(ids, size);
    }
    assert.deepEqual(comparable(this.side.status()), before, when);
    compare(this.side, model);
  }

  /** Makes both devices larger, while the pool runs. */
  grow(dataBlocks: number, metadataBlocks: number): void {
    this.files.dataBlocks += dataBlocks;
    this.files.metadataBlocks += metadataBlocks;
    sizeFiles(this.files);
    this.side.reload();
    const [, metadata, data] = this.side.status().pool.split(" ");
    assert.equal(data.split("/")[1], String(this.files.dataBlocks));
    assert.equal(metadata.split("/")[1], String(this.files.metadataBlocks));
  }

  create(id: number, sizeBytes: number): void {
    this.side.message(`create_thin ${id}`);
    this.side.activate([id], sizeBytes);
    this.model.devices.set(id, new ModelDevice(sizeBytes));
  }

  snapshot(id: number, origin: number): void {
    const device = this.model.devices.get(origin)!;
    this.side.snapshot(id, origin);
    this.side.activate([id], device.sizeBytes);
    this.model.devices.set(id, device.snapshot());
  }

  delete(id: number): void {
    this.side.deactivate(id);
    this.side.message(`delete ${id}`);
    this.model.devices.delete(id);
  }

  write(id: number, offset: number, bytes: Buffer): void {
    this.side.write(id, offset, bytes);
    this.model.devices.get(id)!.write(offset, bytes);
  }

  discard(id: number, offset: number, length: number): void {
    this.side.discard(id, offset, length);
    const blockBytes = this.files.blockSectors * 512;
    const device = this.model.devices.get(id)!;
    const shape = { blockBytes, deviceBytes: device.sizeBytes, maxDevices: 0 };
    const before = device.snapshot();
    applyToModel(this.model, { kind: "discard", id, offset, length }, shape);
    if (!this.#inKernel || Number.isInteger(Math.log2(blockBytes))) return;
    // The kernel cuts a discard up as if every block size were a power of two, and leaves blocks out: each may be there still.
    for (let at = Math.ceil(offset / blockBytes) * blockBytes; at + blockBytes <= offset + length; at += blockBytes) {
      const found = Buffer.alloc(blockBytes);
      this.side.read(id, at, found);
      if (found.equals(before.read(at, blockBytes))) device.write(at, found);
    }
  }
}

function perform(traveller: Traveller, operation: Operation): void {
  const { side, model } = traveller;
  const { id } = operation;
  switch (operation.kind) {
    case "create":
      return traveller.create(id, deviceBytesOf(traveller.files));
    case "snapshot":
      return traveller.snapshot(id, operation.origin);
    case "delete":
      return traveller.delete(id);
    case "write":
      return traveller.write(id, operation.offset, operation.bytes);
    case "discard":
      return traveller.discard(id, operation.offset, operation.length);
    case "flush":
      return side.flush(id);
    case "metadataSnapshot":
      return side.message(
        /^\S+ \S+ \S+ - /.test(side.status().pool) ? "reserve_metadata_snap" : "release_metadata_snap",
      );
    case "read":
      return compareRange(side, id, model.devices.get(id)!, operation.offset, operation.length);
    case "punchHole":
    case "writeZeroes":
      side.zero(id, operation.offset, operation.length);
      return model.devices.get(id)!.zero(operation.offset, operation.length);
  }
}

function deviceBytesOf({ blockSectors }: PoolFiles): number {
  return (blockSectors === 128 ? 24 : 8) * blockSectors * 512;
}

/** Without zeroing, what a new block holds beside what was written to it is anybody's: so whole blocks only. */
function inWholeBlocks(operation: Operation, blockBytes: number): Operation {
  if (!("offset" in operation)) return operation;
  const offset = Math.floor(operation.offset / blockBytes) * blockBytes;
  if (operation.kind !== "write") return { ...operation, offset, length: blockBytes };
  return { ...operation, offset, bytes: Buffer.alloc(blockBytes, operation.bytes) };
}

for (const [seed, first, legs, blockSectors, features] of [
  [1, "user", 5, 128, []],
  [2, "kernel", 3, 1024, ["no_discard_passdown"]],
  [3, "kernel", 3, 384, []],
  [4, "user", 3, 128, ["skip_block_zeroing"]],
] as const) {
  const kibibytes = blockSectors / 2;
  test(`random changes by turns, ${first} first, blocks of ${kibibytes}K ${features.join(" ")} (seed ${seed})`, () =>
    withTraveller({ blockSectors, dataBlocks: 160, metadataBlocks: 256, features }, first, (traveller) => {
      const { files } = traveller;
      const random = new Random(seed);
      const shape = { blockBytes: blockSectors * 512, deviceBytes: deviceBytesOf(files), maxDevices: 6 };
      const workload = new Workload(random, shape);
      for (let leg = 0; leg < legs; leg++) {
        const when = `leg ${leg}`;
        if (leg > 0) traveller.cross(when);
        if (leg === 2) traveller.grow(7, 256);
        for (let step = 0; step < 40; step++) {
          const operation = workload.next(traveller.model);
          const whole = features.some((feature) => feature === "skip_block_zeroing");
          perform(traveller, whole ? inWholeBlocks(operation, shape.blockBytes) : operation);
        }
        traveller.side.message(`set_transaction_id ${leg} ${leg + 1}`);
      }
      compare(traveller.side, traveller.model);
    }));
}

for (const first of ["user", "kernel"] as const) {
  test(`chains of snapshots, a held metadata snapshot, deletions on the other side, growth: ${first} first`, () =>
    withTraveller({}, first, (traveller) => {
      const { files } = traveller;
      const pattern = (text: string, length: number): Buffer => Buffer.alloc(length, `${text} `);
      traveller.create(0, 4 * MEBIBYTE);
      traveller.write(0, 0, pattern("origin", 2 * MEBIBYTE));
      // A chain: each a snapshot of the one before, which goes on changing.
      for (let id = 1; id <= 8; id++) {
        traveller.snapshot(id, id - 1);
        traveller.write(id - 1, id * 70_000, pattern(`later in ${id - 1}`, 9000));
        traveller.write(id, id * 130_001, pattern(`in ${id}`, 66_000));
      }
      traveller.side.message("reserve_metadata_snap");
      traveller.side.message("set_transaction_id 0 5");
      traveller.write(0, 3 * MEBIBYTE, pattern("after the metadata snapshot", 1000));
      traveller.cross("with a metadata snapshot");
      const held = thinDump(files.metadata, ["-m"]);
      assert.equal(held.size, 9);

      for (const id of [2, 3, 7]) traveller.delete(id);
      traveller.discard(4, 0, 4 * MEBIBYTE);
      traveller.discard(5, 100_000, 300_000);
      traveller.discard(6, 3 * MEBIBYTE - 1024, 2048);
      traveller.snapshot(20, 8);
      traveller.snapshot(21, 20);
      traveller.write(20, 512, pattern("twenty", 512));
      traveller.grow(100, 512);
      traveller.cross("after deletions and growth");
      // What the metadata snapshot held did not change with all that.
      assert.deepEqual(thinDump(files.metadata, ["-m"]), held);

      traveller.side.message("release_metadata_snap");
      traveller.side.message("set_transaction_id 5 6");
      traveller.snapshot(22, 4);
      traveller.write(22, 1, pattern("again", 200_000));
      for (const id of [0, 1]) traveller.delete(id);
      traveller.cross("without the metadata snapshot");

      for (const id of traveller.model.devices.keys()) traveller.delete(id);
      assert.match(traveller.side.status().pool, /^6 \d+\/1024 0\/356 - rw /);
    }));
}

test("a device over an external origin shows the same on both sides", () =>
  withFolder((folder) => {
    const files = newPool(folder);
    const origin = join(folder, "origin");
    const content = Buffer.alloc(12 * 65536, "external origin ");
    writeFileSync(origin, content);
    const sizeBytes = 16 * 65536;
    const model = Buffer.concat([content, Buffer.alloc(sizeBytes - content.length)]);
    const write = (side: PoolSide, offset: number, text: string, length: number): void => {
      const bytes = Buffer.alloc(length, text);
      side.write(1, offset, bytes);
      bytes.copy(model, offset);
    };
    const same = (side: PoolSide): void => {
      const found = Buffer.alloc(sizeBytes);
      side.read(1, 0, found);
      assert.ok(found.equals(model));
    };
    const open = (inKernel: boolean): PoolSide => {
      const side = inKernel ? new KernelSide(files) : new UserSide(files);
      if (/^0 /.test(side.status().pool)) side.message("create_thin 1");
      side.activate([1], sizeBytes, origin);
      same(side);
      return side;
    };
    for (let leg = 0; leg < 4; leg++) {
      const side = open(leg % 2 === 1);
      write(side, leg * 65536 + 1000, `leg ${leg}`, 5000);
      write(side, (4 + leg) * 65536, `whole ${leg}`, 65536);
      // Across the origin's end.
      write(side, content.length - 4096 * (leg + 1), "end", 4096);
      if (leg === 2) {
        side.discard(1, 0, 65536);
        content.copy(model, 0, 0, 65536);
      }
      same(side);
      side.message(`set_transaction_id ${leg} ${leg + 1}`);
      side.close();
      judge(files, `leg ${leg}`);
    }
    open(false).close();
  }));
