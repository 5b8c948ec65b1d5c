import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { userspaceDeviceMapper } from "../src/device-mapper/userspace/userspace-device-mapper.ts";
import { measureBlockDevices } from "./block-devices.ts";
import { measureContainerd, snapshotters } from "./containerd/measure.ts";
import { drivers } from "./docker/contenders.ts";
import { measureDocker } from "./docker/measure.ts";
import { batchMessages, measureDmsetup } from "./dmsetup.ts";
import { measureThinTools, runsAtScale } from "./thin-tools.ts";
import { measureGraph } from "./graph.ts";
import { measureImports } from "./import.ts";
import { measureInKernel } from "./kernel/measure.ts";
import { systems } from "./kernel/operations.ts";
import { measureProcesses } from "./process.ts";
import { measureSends } from "./send.ts";
import { measureRegistry } from "./registry.ts";
import { ExportedPool } from "./stacks/exported-pool.ts";
import { NbdPeer, nbdkitCow, qemuNbd } from "./stacks/nbd-peer.ts";
import { Nbdkit } from "./stacks/nbdkit.ts";
import { Qcow2 } from "./stacks/qcow2.ts";
import { RawLoop } from "./stacks/raw-loop.ts";
import { ThinPoolStack } from "./stacks/thin-pool.ts";
import type { FioResult } from "./fio.ts";
import { userModeLinuxRelease } from "../test/kernel/user-mode-linux.ts";
import type { Stack } from "./stack.ts";

type Section =
  | "devices"
  | "nbd"
  | "graph"
  | "import"
  | "registry"
  | "process"
  | "docker"
  | "containerd"
  | "kernel"
  | "thin-tools"
  | "dmsetup"
  | "send";
const SECTIONS: readonly Section[] = [
  "devices",
  "nbd",
  "graph",
  "import",
  "registry",
  "process",
  "docker",
  "containerd",
  "kernel",
  "thin-tools",
  "dmsetup",
  "send",
];

const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!(SECTIONS as readonly string[]).includes(name)) {
    console.error(`bench: no such section: ${name} (${SECTIONS.join(", ")}; all of them by default)`);
    process.exit(2);
  }
}
const sections = wanted.length === 0 ? SECTIONS : SECTIONS.filter((section) => wanted.includes(section));
const dir = mkdtempSync(join(tmpdir(), "mica-bench-"));
try {
  for (const section of sections)
    await {
      devices,
      nbd,
      graph,
      import: imports,
      registry,
      process: processes,
      docker,
      containerd,
      kernel,
      "thin-tools": thinTools,
      dmsetup,
      send,
    }[section]();
} finally {
  rmSync(dir, { recursive: true, force: true });
}

async function devices(): Promise<void> {
  heading("Block devices (fio, libaio, direct I/O on the loop device; medians of 3)");
  const stacks: Stack[] = [
    await ThinPoolStack.open(userspaceDeviceMapper(), dir),
    new RawLoop(dir, "direct"),
    new RawLoop(dir, "cached"),
    new Qcow2(dir),
    new Nbdkit(dir),
  ];
  await compare(stacks);
}

async function nbd(): Promise<void> {
  heading("NBD exports (fio's nbd engine on a unix socket; medians of 3)");
  const folder = join(dir, "nbd");
  mkdirSync(folder);
  const pool = await ThinPoolStack.open(userspaceDeviceMapper(), folder);
  await compare([new ExportedPool(pool, folder), new NbdPeer(qemuNbd, folder), new NbdPeer(nbdkitCow, folder)]);
}

/** A table of all workloads on Mica, which is the first, and others. */
async function compare(stacks: Stack[]): Promise<void> {
  line([
    "devices are",
    "workload",
    ...stacks.map((stack) => stack.name),
    ...stacks.slice(1).map((peer) => `mica ÷ ${peer.name}`),
  ]);
  line(["---", "---", ...stacks.flatMap(() => ["---:", "---:"]).slice(1)]);
  try {
    await measureBlockDevices(stacks, (row, results) => {
      const cells = results.map((result) => (row.workload.bs === "4k" ? iops(result) : bandwidth(result)));
      const [mica, ...peers] = results;
      line([row.preparation, row.title, ...cells, ...peers.map((peer) => ratio(mica.iops / peer.iops))]);
    });
  } finally {
    for (const stack of stacks) await stack.close();
  }
}

async function graph(): Promise<void> {
  const figures = await measureGraph(dir, (text) => console.error(text));
  heading("The graph, through the library (medians)");
  line(["operation", "time"]);
  line(["---", "---:"]);
  line(["create a snapshot, 10 in the pool", `${figures.snapshotFew.toFixed(2)} ms`]);
  line(["create a snapshot, 10,000 in the pool", `${figures.snapshotMany.toFixed(2)} ms`]);
  line(["ratio", ratio(figures.snapshotMany / figures.snapshotFew)]);
  line(["the create_snap message alone, committed, 10 in the pool", `${figures.message.few.toFixed(2)} ms`]);
  line(["the create_snap message alone, committed, 10,000 in the pool", `${figures.message.many.toFixed(2)} ms`]);
  line(["create + mount + unmount + remove a container", `${figures.containerCycle.toFixed(1)} ms`]);
}

async function send(): Promise<void> {
  const folder = join(dir, "send");
  mkdirSync(folder);
  const { incrementBytes, pipe, ...figures } = await measureSends(folder);
  heading("A device with 1 GiB of random data into another pool, both in user space (medians of 3)");
  line(["way", "time", "MB/s", "time ÷ send and receive"]);
  line(["---", "---:", "---:", "---:"]);
  const row = (way: string, seconds: number, speed = (2 ** 30 / 1e6 / seconds).toFixed(0)): void =>
    line([way, `${seconds.toFixed(2)} s`, speed, ratio(seconds / pipe)]);
  row("`mica send \\| mica receive`", pipe);
  row("… with `--compress`, which gains nothing here", figures.compressed);
  row("`dd bs=1M`, direct, from device to device", figures.dd);
  row("`qemu-img convert`, direct, from device to device", figures.qemuImg);
  row(`… with \`--from\`, 64 MiB changed: ${(incrementBytes / 1e6).toFixed(0)} MB of stream`, figures.increment, "-");
}

async function imports(): Promise<void> {
  const figures = await measureImports(dir);
  heading("Import against `tar -x` and sync of the same archive on the host's file system (medians of 3)");
  line(["archive", "tar -x", "mica import", "speed, mica ÷ tar"]);
  line(["---", "---:", "---:", "---:"]);
  for (const { archive, tarSeconds, micaSeconds } of figures) {
    line([archive, `${tarSeconds.toFixed(2)} s`, `${micaSeconds.toFixed(2)} s`, ratio(tarSeconds / micaSeconds)]);
  }
}

async function registry(): Promise<void> {
  const figures = await measureRegistry(dir);
  heading(
    `An image of ${(figures.imageBytes / 1e6).toFixed(0)} MB in six layers, a registry on this machine (medians of 3)`,
  );
  line(["what", "time", "ratio"]);
  line(["---", "---:", "---:"]);
  const seconds = (value: number): string => `${value.toFixed(2)} s`;
  line(["mica pull", seconds(figures.micaPull), ""]);
  line([
    "skopeo copy into a layout, and mica import of that",
    seconds(figures.copyAndImport),
    ratio(figures.micaPull / figures.copyAndImport),
  ]);
  line(["of that, skopeo copy", seconds(figures.skopeoCopy), ratio(figures.micaPull / figures.skopeoCopy)]);
  line(["mica push", seconds(figures.micaPush), ""]);
  line(["skopeo copy to it", seconds(figures.skopeoPush), ratio(figures.micaPush / figures.skopeoPush)]);
}

async function processes(): Promise<void> {
  const figures = await measureProcesses(dir);
  heading("Processes");
  line(["what", "figure"]);
  line(["---", "---:"]);
  line(["node -e 0", `${figures.node.toFixed(0)} ms`]);
  line(["mica ls on a running graph, 100 devices", `${figures.micaLs.toFixed(0)} ms`]);
  line(["ratio", ratio(figures.micaLs / figures.node)]);
  line([
    "engine's memory: 100 GB pool, 100 active devices of 64 MiB written",
    `${(figures.engineBytes / 1e6).toFixed(0)} MB`,
  ]);
}

async function docker(): Promise<void> {
  const rows = await measureDocker(dir);
  heading("Docker 20.10 on Mica's plugin, against its own drivers (medians, milliseconds)");
  line(["operation", ...drivers, ...drivers.slice(1).map((peer) => `time, mica ÷ ${peer}`)]);
  line(["---", ...drivers.flatMap(() => ["---:", "---:"]).slice(1)]);
  for (const { operation, milliseconds } of rows) {
    const ratios = drivers.slice(1).map((peer) => ratio(milliseconds.mica / milliseconds[peer]));
    line([operation, ...drivers.map((driver) => milliseconds[driver].toFixed(0)), ...ratios]);
  }
}

async function containerd(): Promise<void> {
  const { commands, calls } = await measureContainerd(dir, (text) => console.error(text));
  heading("containerd 1.6 on Mica's snapshotter, against its own on files (medians, milliseconds)");
  line(["operation", ...snapshotters, ...snapshotters.slice(1).map((peer) => `time, mica ÷ ${peer}`)]);
  line(["---", ...snapshotters.flatMap(() => ["---:", "---:"]).slice(1)]);
  for (const { operation, milliseconds } of commands) {
    const ratios = snapshotters.slice(1).map((peer) => ratio(milliseconds.mica / milliseconds[peer]));
    line([operation, ...snapshotters.map((name) => milliseconds[name].toFixed(0)), ...ratios]);
  }
  heading("The snapshotter's calls, by how many snapshots there are (medians, milliseconds)");
  line(["snapshots", "Prepare", "Commit", "Remove", "all three a second"]);
  line(["---:", "---:", "---:", "---:", "---:"]);
  for (const { snapshots, prepare, commit, remove } of calls) {
    const times = [prepare, commit, remove].map((milliseconds) => milliseconds.toFixed(2));
    line([snapshots.toLocaleString("en"), ...times, (1000 / (prepare + commit + remove)).toFixed(0)]);
  }
}

async function kernel(): Promise<void> {
  await measureInKernel(({ fileSystem, containers, rows }) => {
    heading(
      `In the kernel (User-mode Linux ${userModeLinuxRelease()}), ${fileSystem}, ${containers} containers in each pool (medians, milliseconds)`,
    );
    line(["operation", ...systems, ...systems.slice(1).map((peer) => `speed, mica ÷ ${peer}`)]);
    line(["---", ...systems.flatMap(() => ["---:", "---:"]).slice(1)]);
    for (const { row, milliseconds } of rows) {
      const times = systems.map((system) => milliseconds[system].toFixed(2));
      const ratios = systems.slice(1).map((peer) => ratio(milliseconds[peer] / milliseconds.mica));
      line([row, ...times, ...ratios]);
    }
  });
}

function thinTools(): void {
  for (const scale of [1, 10]) {
    heading(
      `The thin tools and Debian's 0.9.0, ${2 * scale} million mappings on 200 devices (medians of ${runsAtScale(scale)})`,
    );
    line(["tool", "mica", "0.9.0", "time, mica ÷ 0.9.0", "processor time", "0.9.0", "memory", "0.9.0"]);
    line(["---", ...Array.from({ length: 7 }, () => "---:")]);
    for (const { line: words, mica, theirs } of measureThinTools(dir, scale)) {
      const pair = [mica, theirs];
      line([
        `\`${words}\``,
        ...pair.map(({ milliseconds }) => `${milliseconds.toFixed(0)} ms`),
        ratio(mica.milliseconds / theirs.milliseconds),
        ...pair.map(({ cpuMilliseconds }) => `${cpuMilliseconds.toFixed(0)} ms`),
        ...pair.map(({ peakBytes }) => `${(peakBytes / 1e6).toFixed(0)} MB`),
      ]);
    }
  }
}

async function dmsetup(): Promise<void> {
  const figures = await measureDmsetup(dir);
  heading("mica dmsetup on a pool in user space (medians)");
  line(["what", "time", "ratio"]);
  line(["---", "---:", "---:"]);
  const { node, batchInProcess } = figures;
  const row = (what: string, milliseconds: number, base: number, of: string): void =>
    line([what, `${milliseconds.toFixed(1)} ms`, `${ratio(milliseconds / base)} of ${of}`]);
  line(["`node -e 0`", `${node.toFixed(1)} ms`, ""]);
  row("`mica dmsetup message POOL 0 'create_snap …'`", figures.message, node, "node");
  row("`mica dmsetup status POOL`", figures.status, node, "node");
  line([
    `${batchMessages} \`create_snap\` and a commit by the engine's own code`,
    `${batchInProcess.toFixed(1)} ms`,
    "",
  ]);
  row("… in one go through the library", figures.batchByLibrary, batchInProcess, "that");
  row(
    "… by `mica dmsetup message POOL 0 --batch FILE`, a whole process",
    figures.batchByCommand,
    figures.message + batchInProcess,
    "one message's process and that",
  );
  row("… one by one through the library, each on the disk", figures.oneByOne, batchInProcess, "that");
}

function heading(text: string): void {
  console.log(`\n### ${text}\n`);
}

function line(cells: readonly string[]): void {
  console.log(`| ${cells.join(" | ")} |`);
}

function iops(result: FioResult): string {
  return Math.round(result.iops).toLocaleString("en");
}

function bandwidth(result: FioResult): string {
  return `${(result.bytesPerSecond / 1e9).toFixed(2)} GB/s`;
}

function ratio(value: number): string {
  return `${value.toFixed(2)} ×`;
}
