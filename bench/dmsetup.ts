import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { userspaceDeviceMapper } from "../src/device-mapper/userspace/userspace-device-mapper.ts";
import { packageFile } from "../src/linux/package-root.ts";
import { parsePoolTable } from "../src/thin/pool-table.ts";
import { Pool } from "../src/thin/pool.ts";
import { createSparseFile } from "./sparse-file.ts";
import { median } from "./statistics.ts";

const run = promisify(execFile);
const starts = 15;
const batches = 7;
/** Messages of a batch. */
export const batchMessages = 1000;
const poolSectors = (100 * 2 ** 30) / 512;

/** Medians in milliseconds. */
export interface DmsetupFigures {
  /** Whole processes. */
  readonly node: number;
  readonly message: number;
  readonly status: number;
  /** A thousand `create_snap`: a whole `mica dmsetup message --batch`, by the library, and in a process that has the pool itself. */
  readonly batchByCommand: number;
  readonly batchByLibrary: number;
  readonly batchInProcess: number;
  /** The same, each message by itself through the library, on the disk when it is answered. */
  readonly oneByOne: number;
}

/** `mica dmsetup` on a pool that runs, against the bare start of node; and batches of messages, against the engine by itself. */
export async function measureDmsetup(dir: string): Promise<DmsetupFigures> {
  const pool = `bench-${process.pid}-dmsetup`;
  const mapper = userspaceDeviceMapper();
  await mapper.create(pool, poolTable(dir, "dmsetup"));
  try {
    await mapper.message(pool, "create_thin 0");
    const ids = new Ids();
    const dmsetup = (...words: string[]) => milliseconds(packageFile("bin/mica"), "dmsetup", ...words);
    const node: number[] = [];
    const message: number[] = [];
    const status: number[] = [];
    for (let n = 0; n < starts; n++) {
      node.push(await milliseconds("-e", "0"));
      message.push(await dmsetup("message", pool, "0", `create_snap ${ids.take()} 0`));
      status.push(await dmsetup("status", pool));
    }
    const batchByCommand: number[] = [];
    const batchByLibrary: number[] = [];
    const file = join(dir, "batch");
    for (let n = 0; n < batches; n++) {
      writeFileSync(file, ids.snapshots().join("\n"));
      batchByCommand.push(await dmsetup("message", pool, "0", "--batch", file));
      const messages = ids.snapshots();
      batchByLibrary.push(await timed(() => mapper.messages(pool, messages)));
    }
    const oneByOne = await timed(async () => {
      for (const each of ids.snapshots()) await mapper.message(pool, each);
    });
    return {
      node: median(node),
      message: median(message),
      status: median(status),
      batchByCommand: median(batchByCommand),
      batchByLibrary: median(batchByLibrary),
      batchInProcess: measureInProcess(dir),
      oneByOne,
    };
  } finally {
    await mapper.remove(pool);
  }
}

/** Batches as the engine carries them out, with its journal, and nothing between. */
function measureInProcess(dir: string): number {
  const table = parsePoolTable(poolTable(dir, "in-process"));
  const journals = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "mica-bench-"));
  const { metadataDevice: metadataPath, dataDevice: dataPath } = table;
  const pool = Pool.open({ metadataPath, dataPath, table, journalPath: join(journals, "journal") });
  try {
    pool.message("create_thin 0");
    const ids = new Ids();
    const times: number[] = [];
    for (let n = 0; n < 2 * batches; n++) {
      const messages = ids.snapshots();
      const start = performance.now();
      for (const message of messages) pool.message(message, { commit: "later" });
      pool.commit();
      times.push(performance.now() - start);
    }
    return median(times);
  } finally {
    pool.close();
    rmSync(journals, { recursive: true });
  }
}

/** Ids of thin devices, each once. */
class Ids {
  #last = 0;

  take(): number {
    return ++this.#last;
  }

  snapshots(): string[] {
    return Array.from({ length: batchMessages }, () => `create_snap ${this.take()} 0`);
  }
}

function poolTable(dir: string, name: string): string {
  const folder = join(dir, name);
  mkdirSync(folder);
  const metadata = createSparseFile(join(folder, "metadata"), 2 ** 30);
  const data = createSparseFile(join(folder, "data"), poolSectors * 512);
  return `0 ${poolSectors} thin-pool ${metadata} ${data} 128 32768`;
}

/** Of a whole process of node. */
function milliseconds(...words: string[]): Promise<number> {
  return timed(() => run(process.execPath, words));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
