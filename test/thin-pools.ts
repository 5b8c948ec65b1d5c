import { execFileSync } from "node:child_process";
import { renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageFile } from "../src/linux/package-root.ts";
import { makeBlockFile, seededRandom } from "../src/thin/metadata.testing.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";

/** A pool's metadata for the thin tools to work on. */
export interface MadePool {
  readonly name: string;
  /** Writes it into a new file. */
  readonly make: (path: string) => void;
  readonly hasSnapshot?: boolean;
  /** Debian's thin_restore takes a while for it. */
  readonly isSlow?: boolean;
}

const nothing = (): void => undefined;

function makePool(path: string, blocks: number, dataBlocks: number, fill: (metadata: ThinMetadata) => void): void {
  makeBlockFile(path, blocks);
  const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks });
  fill(metadata);
  metadata.commit(nothing);
  metadata.close();
}

function insertRun(metadata: ThinMetadata, id: number, first: number, blocks: number): void {
  const mapping = metadata.openDevice(id);
  for (let block = first; block < first + blocks; block++) mapping.insert(block, metadata.allocateDataBlock());
  metadata.closeDevice(id);
}

/** Devices and snapshots of one another, written to, cut and deleted at random. */
function shareAtRandom(metadata: ThinMetadata, seed: number): void {
  const random = seededRandom(seed);
  const ids: number[] = [];
  for (let step = 0; step < 300; step++) {
    const id = 1 + random(5000);
    const known = ids[random(ids.length)];
    const kind = random(10);
    if (metadata.has(id) || ids.length === 0 || kind === 0) {
      if (metadata.has(id)) continue;
      metadata.createThin(id);
      ids.push(id);
    } else if (kind < 4) {
      metadata.createSnapshot(id, known);
      ids.push(id);
    } else if (kind === 4 && ids.length > 5) {
      metadata.deleteThin(known);
      ids.splice(ids.indexOf(known), 1);
    } else if (kind === 5) metadata.openDevice(known).remove(random(3000), random(6000));
    else if (kind < 8) insertRun(metadata, known, random(4000), 1 + random(200));
    else for (let i = 0; i < 50; i++) insertRun(metadata, known, random(9000), 1 + random(3));
    metadata.closeDevice(known);
    if (random(20) === 0) metadata.commit(nothing);
    if (random(20) === 0) metadata.setTransactionId(metadata.transactionId, metadata.transactionId + 1);
  }
}

/** Takes the metadata out of a Docker graph, which the kernel's own dm-thin has written: see test/fixtures/README.md. */
function takeFromDocker(path: string, name: string): void {
  const folder = dirname(path);
  const member = "devicemapper/devicemapper/metadata";
  execFileSync("tar", ["-C", folder, "-xSJf", packageFile(`test/fixtures/docker-20.10-${name}.tar.xz`), member]);
  renameSync(join(folder, member), path);
  rmSync(join(folder, "devicemapper"), { recursive: true });
}

/** Pools of every shape. Those made at random are made the same again from their seed. */
export const madePools: readonly MadePool[] = [
  { name: "empty", make: (path) => makePool(path, 64, 1000, nothing) },
  {
    name: "one huge device",
    make: (path) =>
      makePool(path, 4000, 400_000, (metadata) => {
        metadata.createThin(0);
        insertRun(metadata, 0, 7, 300_000);
      }),
  },
  {
    name: "10,000 snapshots",
    isSlow: true,
    make: (path) =>
      makePool(path, 16_000, 20_000, (metadata) => {
        metadata.createThin(1);
        insertRun(metadata, 1, 0, 100);
        for (let id = 2; id <= 10_001; id++) metadata.createSnapshot(id, id - 1 - (id % 3 === 0 && id > 3 ? 2 : 0));
        for (let id = 2; id <= 10_001; id += 50) insertRun(metadata, id, id % 90, 2);
      }),
  },
  ...[11, 12].map((seed) => ({
    name: `random sharing (seed ${seed})`,
    make: (path: string) => makePool(path, 4000, 100_000, (metadata) => shareAtRandom(metadata, seed)),
  })),
  {
    name: "a metadata snapshot (seed 14)",
    hasSnapshot: true,
    make: (path) =>
      makePool(path, 4000, 100_000, (metadata) => {
        shareAtRandom(metadata, 14);
        metadata.reserveMetadataSnapshot(nothing);
        metadata.createThin(9000);
        insertRun(metadata, 9000, 0, 500);
        for (const { id } of [...metadata.details()].slice(0, 3)) insertRun(metadata, id, 0, 300);
      }),
  },
  {
    name: "grown",
    make: (path) =>
      makePool(path, 4000, 10_000, (metadata) => {
        metadata.createThin(5);
        insertRun(metadata, 5, 0, 10_000);
        metadata.resizeData(70_000);
        metadata.commit(nothing);
        insertRun(metadata, 5, 20_000, 30_000);
        metadata.createSnapshot(6, 5);
      }),
  },
  { name: "made by the kernel, for Docker", make: (path) => takeFromDocker(path, "many-containers") },
];
