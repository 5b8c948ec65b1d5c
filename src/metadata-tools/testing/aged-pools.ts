import { ThinMetadata } from "../../thin/metadata.ts";
import { type DumpedDevice, engineDump, RecordingBlockFile, seededRandom } from "../../thin/metadata.testing.ts";

/** Devices by id, and what each maps. */
export type PoolModel = ReadonlyMap<number, DumpedDevice>;

/** A pool's metadata at the moment of a commit. */
export interface Commit {
  readonly content: Uint8Array;
  readonly model: PoolModel;
}

/** A pool that was used for a while: what its device held after each of its last commits, the latest last. */
export interface AgedPool {
  readonly commits: readonly Commit[];
  /** The latest. */
  readonly last: Commit;
}

/** A kind of pool to be damaged, in few blocks, so that random damage meets all of it. */
export interface PoolShape {
  readonly name: string;
  readonly blocks: number;
  readonly dataBlocks: number;
  /** Uses the pool; calls `commit` now and then. */
  readonly use: (metadata: ThinMetadata, random: (below: number) => number, commit: () => void) => void;
}

/** Earlier commits that are remembered with all their bytes: older ones have been written over by then. */
const remembered = 12;

const nothing = (): void => undefined;

/** Makes a pool of a shape. */
export function agePool(shape: PoolShape, seed: number): AgedPool {
  const file = new RecordingBlockFile(shape.blocks);
  const metadata = ThinMetadata.formatOn(file, { dataBlockSize: 128, dataBlocks: shape.dataBlocks });
  const commits: Commit[] = [];
  const commit = (): void => {
    metadata.commit(nothing);
    file.steps.length = 0;
    commits.push({ content: file.content.slice(), model: engineDump(metadata) });
    for (const { id } of [...metadata.details()]) metadata.closeDevice(id);
    if (commits.length > remembered) commits.shift();
  };
  shape.use(metadata, seededRandom(seed), commit);
  commit();
  return { commits, last: commits.at(-1)! };
}

function insertRun(metadata: ThinMetadata, id: number, first: number, blocks: number): void {
  const mapping = metadata.openDevice(id);
  for (let block = first; block < first + blocks; block++) {
    const dataBlock = metadata.allocateDataBlock();
    if (dataBlock >= 0) mapping.insert(block, dataBlock);
  }
}

/** The kinds of pools that there are. */
export const poolShapes: readonly PoolShape[] = [
  {
    name: "a chain of snapshots and a metadata snapshot",
    blocks: 200,
    dataBlocks: 20_000,
    use(metadata, random, commit) {
      metadata.createThin(1);
      insertRun(metadata, 1, 0, 3000);
      commit();
      for (let id = 2; id < 8; id++) {
        metadata.createSnapshot(id, id - 1);
        insertRun(metadata, id, 400 * id, 20 + random(20));
        commit();
      }
      metadata.reserveMetadataSnapshot(nothing);
      insertRun(metadata, 3, 0, 300);
    },
  },
  {
    name: "devices that are made, written to, cut and deleted",
    blocks: 300,
    dataBlocks: 40_000,
    use(metadata, random, commit) {
      for (let step = 0; step < 120; step++) {
        const ids = [...metadata.details()].map(({ id }) => id);
        const known = ids[random(ids.length)];
        const id = 1 + random(100_000);
        const kind = random(12);
        if (ids.length === 0 || (kind === 0 && ids.length < 12)) metadata.createThin(id);
        else if (kind < 3 && ids.length < 12) metadata.createSnapshot(id, known);
        else if (kind === 3 && ids.length > 4) metadata.deleteThin(known);
        else if (kind === 4) metadata.openDevice(known).remove(random(3000), random(2000));
        else insertRun(metadata, known, random(2500), 1 + random(150));
        metadata.closeDevice(known);
        if (random(8) === 0) metadata.setTransactionId(metadata.transactionId, metadata.transactionId + 1);
        if (random(3) === 0) commit();
      }
    },
  },
  {
    name: "many snapshots of little, so that counts are large",
    blocks: 260,
    dataBlocks: 5000,
    use(metadata, random, commit) {
      metadata.createThin(0);
      insertRun(metadata, 0, 0, 300);
      for (let id = 1; id <= 320; id++) {
        metadata.createSnapshot(id, random(4) === 0 ? random(id) : 0);
        if (id % 16 === 0) insertRun(metadata, id, random(300), 3);
        if (id % 40 === 0) commit();
      }
    },
  },
  {
    name: "devices scattered over three levels",
    blocks: 700,
    dataBlocks: 60_000,
    use(metadata, random, commit) {
      for (const id of [5, 700_000]) {
        metadata.createThin(id);
        const mapping = metadata.openDevice(id);
        for (let i = 0; i < 17_000; i++) mapping.insert(random(1_000_000), metadata.allocateDataBlock());
        commit();
      }
      metadata.createSnapshot(6, 5);
      for (let i = 0; i < 4; i++) {
        for (let left = 60; left > 0; left--) insertRun(metadata, 6, random(1_000_000), 1);
        commit();
      }
    },
  },
];
