import { join } from "node:path";
import { userspaceDeviceMapper } from "../src/device-mapper/userspace/userspace-device-mapper.ts";
import { median } from "./statistics.ts";
import { createSparseFile } from "./sparse-file.ts";

const SAMPLES = 100;

/** Medians in milliseconds of the `create_snap` message, each committed to disk when it is answered. */
export interface PoolSnapshotFigures {
  readonly few: number;
  readonly many: number;
}

/** `create_snap` on a raw pool, with `few` and with `many` snapshots of one device in it. */
export async function measurePoolSnapshots(dir: string, few: number, many: number): Promise<PoolSnapshotFigures> {
  const mapper = userspaceDeviceMapper();
  const pool = `bench-${process.pid}-snapshots`;
  const metadata = createSparseFile(join(dir, "snapshots.metadata"), 2 ** 30);
  const data = createSparseFile(join(dir, "snapshots.data"), 100 * 2 ** 30);
  await mapper.create(pool, `0 ${(100 * 2 ** 30) / 512} thin-pool ${metadata} ${data} 128 32768`);
  try {
    await mapper.message(pool, "create_thin 0");
    let id = 1;
    const makeUpTo = async (count: number): Promise<void> => {
      for (; id <= count; id += 1) await mapper.message(pool, `create_snap ${id} 0`, "with the next commit");
    };
    const measure = async (): Promise<number> => {
      const times: number[] = [];
      for (const end = id + SAMPLES; id < end; id += 1) {
        const start = performance.now();
        await mapper.message(pool, `create_snap ${id} 0`);
        times.push(performance.now() - start);
      }
      return median(times);
    };
    await makeUpTo(few);
    const fewFigure = await measure();
    await makeUpTo(many);
    return { few: fewFigure, many: await measure() };
  } finally {
    await mapper.remove(pool);
  }
}
