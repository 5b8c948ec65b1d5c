import { spawn } from "node:child_process";
import { join } from "node:path";
import { SnapshotsClient } from "../../src/containerd/testing/snapshots-client.ts";
import { outcomeOf } from "../../test/cli-support.ts";
import { Containerd } from "../../test/containerd-engine.ts";
import { MicaDaemon } from "../../test/mica-daemon.ts";
import { median } from "../statistics.ts";
import { writeApplicationImage } from "./image.ts";

/** containerd's own snapshotters on files, and Mica's. */
export const snapshotters = ["mica", "overlayfs", "native"] as const;
export type Snapshotter = (typeof snapshotters)[number];

const rounds = 3;
const sizes = [10, 1000, 5000];
const cycles = 50;
const image = "example.com/application:1";

/** Medians, in milliseconds. */
export interface ContainerdFigures {
  /** What `ctr` takes, by operation. */
  readonly commands: { operation: string; milliseconds: Record<Snapshotter, number> }[];
  /** What the snapshotter takes for a call, with so many snapshots. */
  readonly calls: { snapshots: number; prepare: number; commit: number; remove: number }[];
}

/** A real containerd with one image and one store, on each snapshotter in turn; and the snapshotter's calls alone. */
export async function measureContainerd(dir: string, progress: (text: string) => void): Promise<ContainerdFigures> {
  const socket = join(dir, "s.sock");
  const daemon = new MicaDaemon(dir, { "--containerd": socket }, ["dm.basesize=10G"]);
  const containerd = new Containerd(join(dir, "c"), { mica: socket });
  try {
    await daemon.start();
    await containerd.start();
    const archive = writeApplicationImage(dir, image);
    const commands = await measureCommands(dir, containerd, archive);
    return { commands, calls: await measureCalls(socket, progress) };
  } finally {
    await containerd.remove();
    await daemon.shutdown();
  }
}

async function measureCommands(
  dir: string,
  containerd: Containerd,
  archive: string,
): Promise<ContainerdFigures["commands"]> {
  const times = new Map<string, Record<Snapshotter, number[]>>();
  const time = async (operation: string, on: Snapshotter, round: number, work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    // The first round warms up and does not count.
    if (round === 0) return;
    const row = times.get(operation) ?? { mica: [], overlayfs: [], native: [] };
    row[on].push(performance.now() - start);
    times.set(operation, row);
  };
  for (let round = 0; round <= rounds; round += 1) {
    for (const on of snapshotters) {
      const chosen = ["--snapshotter", on];
      await outcomeOf(spawn("sync", ["-f", dir]));
      const bringIn = () => containerd.ok("images", "import", ...chosen, archive);
      await time("ctr images import, until it is on the disk", on, round, async () => {
        await time("ctr images import", on, round, bringIn);
        await outcomeOf(spawn("sync", ["-f", dir]));
      });
      const run = ["run", "--rm", ...chosen, image, "box", "/bin/node", "--version"];
      await time("ctr run --rm", on, round, () => containerd.ctr(...run));
      await time("ctr images rm --sync", on, round, () => containerd.ok("images", "rm", "--sync", image));
    }
  }
  return [...times].map(([operation, taken]) => ({
    operation,
    milliseconds: { mica: median(taken.mica), overlayfs: median(taken.overlayfs), native: median(taken.native) },
  }));
}

async function measureCalls(socket: string, progress: (text: string) => void): Promise<ContainerdFigures["calls"]> {
  const client = new SnapshotsClient(socket);
  const make = async (key: string, parent: string): Promise<void> => {
    await client.call("Prepare", { key: `${key}-active`, parent });
    await client.call("Commit", { key: `${key}-active`, name: key });
  };
  await make("layer", "");
  const figures: ContainerdFigures["calls"][number][] = [];
  let made = 1;
  for (const size of sizes) {
    for (; made < size; made += 1) {
      await make(`other-${made}`, "layer");
      if (made % 1000 === 0) progress(`${made} snapshots`);
    }
    figures.push({ snapshots: size, ...(await measureCycles(client, size)) });
  }
  client.close();
  return figures;
}

async function measureCycles(
  client: SnapshotsClient,
  size: number,
): Promise<{ prepare: number; commit: number; remove: number }> {
  const times = { prepare: [] as number[], commit: [] as number[], remove: [] as number[] };
  const timed = async (call: keyof typeof times, name: string, request: object): Promise<void> => {
    const start = performance.now();
    await client.call(name, request);
    times[call].push(performance.now() - start);
  };
  for (let n = 0; n < cycles; n += 1) {
    const key = `cycle-${size}-${n}`;
    await timed("prepare", "Prepare", { key: `${key}-active`, parent: "layer" });
    await timed("commit", "Commit", { key: `${key}-active`, name: key });
    await timed("remove", "Remove", { key });
  }
  return { prepare: median(times.prepare), commit: median(times.commit), remove: median(times.remove) };
}
