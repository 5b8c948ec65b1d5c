import { fio, type FioResult, type Workload } from "./fio.ts";
import { median } from "./statistics.ts";
import type { Stack, StackDevice } from "./stack.ts";

const SPAN = "1G";
const SECONDS = 2;
const REPEATS = 3;

type Preparation = "provisioned" | "first write" | "first write after a snapshot";

/** A row of the block-device table. */
export interface Row {
  readonly preparation: Preparation;
  readonly title: string;
  readonly workload: Workload;
}

const PROVISIONED: readonly Workload[] = [
  { rw: "randread", bs: "4k", depth: 1, seconds: SECONDS },
  { rw: "randread", bs: "4k", depth: 16, seconds: SECONDS },
  { rw: "randwrite", bs: "4k", depth: 1, seconds: SECONDS },
  { rw: "randwrite", bs: "4k", depth: 16, seconds: SECONDS },
  { rw: "read", bs: "1M", depth: 4, seconds: SECONDS },
  { rw: "write", bs: "1M", depth: 4, seconds: SECONDS },
];

const FIRST_WRITE: readonly Workload[] = [
  { rw: "randwrite", bs: "4k", depth: 1, ioSize: "16M" },
  { rw: "randwrite", bs: "4k", depth: 16, ioSize: "32M" },
  { rw: "write", bs: "1M", depth: 4, ioSize: "1G" },
];

function row(preparation: Preparation, workload: Workload): Row {
  return { preparation, title: `${workload.rw} ${workload.bs} qd${workload.depth}`, workload };
}

/**
 * Tells each row with its medians on every stack, in the stacks' order. The stacks are measured in turn, so that a drift
 * of the machine hits all alike.
 */
export async function measureBlockDevices(stacks: readonly Stack[], tell: Tell): Promise<void> {
  await measureProvisioned(stacks, tell);
  for (const preparation of ["first write", "first write after a snapshot"] as const) {
    for (const workload of FIRST_WRITE) {
      tell(row(preparation, workload), await measureFirstWrite(preparation, workload, stacks));
    }
  }
}

type Tell = (row: Row, results: readonly FioResult[]) => void;

async function measureProvisioned(stacks: readonly Stack[], tell: Tell): Promise<void> {
  const devices: StackDevice[] = [];
  try {
    for (const stack of stacks) devices.push(await stack.filled(SPAN));
    for (const workload of PROVISIONED) {
      const results = devices.map((): FioResult[] => []);
      for (let repeat = 0; repeat < REPEATS; repeat += 1) {
        for (const [i, device] of devices.entries()) results[i].push(await fio(device.path, SPAN, workload));
      }
      tell(row("provisioned", workload), results.map(medianResult));
    }
  } finally {
    for (const device of devices) await device.close();
  }
}

async function measureFirstWrite(
  preparation: Exclude<Preparation, "provisioned">,
  workload: Workload,
  stacks: readonly Stack[],
): Promise<FioResult[]> {
  const results = stacks.map((): FioResult[] => []);
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    for (const [i, stack] of stacks.entries()) {
      const device = preparation === "first write" ? await stack.empty() : await stack.snapshot(SPAN);
      try {
        results[i].push(await fio(device.path, SPAN, workload));
      } finally {
        await device.close();
      }
    }
  }
  return results.map(medianResult);
}

function medianResult(results: readonly FioResult[]): FioResult {
  return {
    iops: median(results.map((result) => result.iops)),
    bytesPerSecond: median(results.map((result) => result.bytesPerSecond)),
  };
}
