import { fio, type FioResult, type Workload } from "./fio.ts";
import { median } from "./statistics.ts";
import type { Stack, StackDevice } from "./stack.ts";

const SPAN = "1G";
const FIRST_WRITE_SPAN = "1G";
const SECONDS = 3;
const REPEATS = 3;

type Preparation = "provisioned" | "first write" | "first write after a snapshot";

interface Row {
  readonly preparation: Preparation;
  readonly title: string;
  readonly workload: Workload;
}

const PROVISIONED: readonly Omit<Workload, "seconds">[] = [
  { rw: "randread", bs: "4k", depth: 1 },
  { rw: "randread", bs: "4k", depth: 16 },
  { rw: "randwrite", bs: "4k", depth: 1 },
  { rw: "randwrite", bs: "4k", depth: 16 },
  { rw: "read", bs: "1M", depth: 4 },
  { rw: "write", bs: "1M", depth: 4 },
];

const FIRST_WRITE: readonly Workload[] = [
  { rw: "randwrite", bs: "4k", depth: 1, ioSize: "16M" },
  { rw: "randwrite", bs: "4k", depth: 16, ioSize: "32M" },
  { rw: "write", bs: "1M", depth: 4, ioSize: "1G" },
];

/** The rows of the block-device table, in the order they are printed. */
export const rows: readonly Row[] = [
  ...PROVISIONED.map((workload) => row("provisioned", { ...workload, seconds: SECONDS })),
  ...FIRST_WRITE.map((workload) => row("first write", workload)),
  ...FIRST_WRITE.map((workload) => row("first write after a snapshot", workload)),
];

function row(preparation: Preparation, workload: Workload): Row {
  return { preparation, title: `${workload.rw} ${workload.bs} qd${workload.depth}`, workload };
}

/** The medians of one row on every stack, in the stacks' order, taken in turn so that a drift of the machine hits all alike. */
export async function measure(row: Row, stacks: readonly Stack[]): Promise<FioResult[]> {
  return row.preparation === "provisioned" ? measureProvisioned(row, stacks) : measureFirstWrite(row, stacks);
}

async function measureProvisioned(row: Row, stacks: readonly Stack[]): Promise<FioResult[]> {
  const devices: StackDevice[] = [];
  try {
    for (const stack of stacks) devices.push(await stack.filled(SPAN));
    const results = devices.map((): FioResult[] => []);
    for (let repeat = 0; repeat < REPEATS; repeat += 1) {
      for (const [i, device] of devices.entries()) results[i].push(await fio(device.path, SPAN, row.workload));
    }
    return results.map(medianResult);
  } finally {
    for (const device of devices) await device.close();
  }
}

async function measureFirstWrite(row: Row, stacks: readonly Stack[]): Promise<FioResult[]> {
  const results = stacks.map((): FioResult[] => []);
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    for (const [i, stack] of stacks.entries()) {
      const device = row.preparation === "first write" ? await stack.empty() : await stack.snapshot(FIRST_WRITE_SPAN);
      try {
        results[i].push(await fio(device.path, FIRST_WRITE_SPAN, row.workload));
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
