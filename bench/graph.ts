import { join } from "node:path";
import { openDeviceSet, type DeviceSet } from "../src/graph/graph.ts";
import { measurePoolSnapshots, type PoolSnapshotFigures } from "./pool-snapshots.ts";
import { median } from "./statistics.ts";

const FEW = 10;
const MANY = 10_000;
const SAMPLES = 100;
const CYCLES = 30;

/** Medians in milliseconds. */
export interface GraphFigures {
  readonly snapshotFew: number;
  readonly snapshotMany: number;
  /** The pool's part of it alone. */
  readonly message: PoolSnapshotFigures;
  readonly containerCycle: number;
}

/**
 * Through the library on a graph of its own under `dir`: creating a snapshot with ten and with ten thousand in the pool,
 * each time with all that makes it durable (JSON, transaction, commit); and create + mount + unmount + remove of a container.
 */
export async function measureGraph(dir: string, progress: (text: string) => void): Promise<GraphFigures> {
  const set = await openDeviceSet({ root: join(dir, "graph"), storageOptions: ["dm.basesize=10G"] });
  try {
    await set.create(hash(0));
    // A layer that containers are made from has been mounted, when it was unpacked.
    await set.get(hash(0));
    await set.put(hash(0));
    const containerCycle = await measureCycles(set);
    for (let n = 1; n < FEW; n += 1) await set.create(hash(n), hash(0));
    const snapshotFew = await measureSnapshots(set, FEW);
    for (let n = FEW + SAMPLES; n < MANY; n += 1) {
      await set.create(hash(n), hash(0));
      if (n % 1000 === 0) progress(`${n} snapshots in the pool`);
    }
    const snapshotMany = await measureSnapshots(set, MANY);
    const message = await measurePoolSnapshots(dir, FEW, MANY);
    return { snapshotFew, snapshotMany, message, containerCycle };
  } finally {
    await set.shutdown();
  }
}

async function measureSnapshots(set: DeviceSet, first: number): Promise<number> {
  const times: number[] = [];
  for (let n = first; n < first + SAMPLES; n += 1) {
    times.push(await timed(() => set.create(hash(n), hash(0))));
  }
  return median(times);
}

async function measureCycles(set: DeviceSet): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < CYCLES; n += 1) {
    const id = hash(1_000_000 + n);
    times.push(
      await timed(async () => {
        await set.create(id, hash(0));
        await set.get(id);
        await set.put(id);
        await set.remove(id);
      }),
    );
  }
  return median(times);
}

/** Milliseconds that `work` took. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function hash(n: number): string {
  return n.toString(16).padStart(64, "0");
}
