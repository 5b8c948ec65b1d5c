import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { openDeviceSet } from "../src/graph/graph.ts";
import { packageFile } from "../src/linux/package-root.ts";
import { readPoolState } from "../src/block-device/pool-state.ts";
import { defaultRunDir, poolPaths } from "../src/block-device/pool-paths.ts";
import { fill } from "./fio.ts";
import { median } from "./statistics.ts";

const run = promisify(execFile);
const STARTS = 9;
const DEVICES = 100;
const WRITTEN = "64M";

export interface ProcessFigures {
  /** Medians in milliseconds of a whole process, start to end. */
  readonly node: number;
  readonly micaLs: number;
  /** Resident set of the engine with a hundred active devices, written to, in bytes. */
  readonly engineBytes: number;
}

/** The start of a command against the bare start of node, and what the engine of a 100 GB pool holds with a hundred active devices. */
export async function measureProcesses(dir: string): Promise<ProcessFigures> {
  const root = join(dir, "process-graph");
  const set = await openDeviceSet({ root });
  try {
    for (let n = 0; n < DEVICES; n += 1) {
      const id = n.toString(16).padStart(64, "0");
      await set.create(id);
      await fill(await set.activate(id), WRITTEN);
    }
    const engineBytes = residentBytes(enginePid(set.poolName));
    const node: number[] = [];
    const micaLs: number[] = [];
    for (let n = 0; n < STARTS; n += 1) {
      node.push(await milliseconds(["-e", "0"]));
      micaLs.push(await milliseconds([packageFile("bin/mica"), "--root", root, "ls"]));
    }
    return { node: median(node), micaLs: median(micaLs), engineBytes };
  } finally {
    await set.shutdown();
  }
}

async function milliseconds(args: string[]): Promise<number> {
  const start = performance.now();
  await run(process.execPath, args);
  return performance.now() - start;
}

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kilobytes === undefined) throw new Error(`Cannot read the resident set of process ${pid}`);
  return Number(kilobytes) * 1024;
}

function enginePid(pool: string): number {
  const pid = readPoolState(poolPaths(defaultRunDir(), pool))?.engine?.pid;
  if (pid === undefined) throw new Error(`Cannot find the engine of pool ${pool}`);
  return pid;
}
