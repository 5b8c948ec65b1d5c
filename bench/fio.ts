import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One fio workload on a block device. Sizes are fio's (`4k`, `1M`, `256M`). */
export interface Workload {
  readonly rw: "randread" | "randwrite" | "read" | "write";
  readonly bs: "4k" | "1M";
  readonly depth: number;
  /** Seconds to run; left out where the workload ends after `ioSize`. */
  readonly seconds?: number;
  /** Bytes to transfer in all, for first writes, which cannot be repeated on one device. */
  readonly ioSize?: string;
}

interface FioSide {
  readonly iops: number;
  readonly bw_bytes: number;
}

/** What fio measured: requests a second and bytes a second. */
export interface FioResult {
  readonly iops: number;
  readonly bytesPerSecond: number;
}

/**
 * Runs `workload` on `device`, of which the first `span` bytes (fio's size) are used: a block device, with libaio and direct I/O, or the address of an
 * NBD export.
 */
export async function fio(device: string, span: string, workload: Workload): Promise<FioResult> {
  const options = [
    "--name=row",
    ...(device.startsWith("nbd")
      ? ["--ioengine=nbd", `--uri=${device}`]
      : ["--ioengine=libaio", `--filename=${device}`]),
    `--size=${span}`,
    `--rw=${workload.rw}`,
    `--bs=${workload.bs}`,
    `--iodepth=${workload.depth}`,
    "--direct=1",
    "--randrepeat=1",
    "--allow_mounted_write=0",
    "--output-format=json",
    ...(workload.seconds === undefined ? [] : ["--time_based", `--runtime=${workload.seconds}`, "--ramp_time=0.5"]),
    ...(workload.ioSize === undefined ? [] : [`--io_size=${workload.ioSize}`]),
  ];
  const { stdout } = await run("fio", options, { maxBuffer: 16 << 20 });
  const report = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { jobs: { read: FioSide; write: FioSide }[] };
  const job = report.jobs[0];
  const side = workload.rw.endsWith("read") ? job.read : job.write;
  return { iops: side.iops, bytesPerSecond: side.bw_bytes };
}

/** Writes the first `span` bytes of `device` once, in order, so that every block of it is provisioned. */
export async function fill(device: string, span: string): Promise<void> {
  await fio(device, span, { rw: "write", bs: "1M", depth: 4, ioSize: span });
}
