import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../statistics.ts";
import { Agent } from "./agent.ts";
import { makePool } from "./make-pool.ts";
import { operations, type KernelFigures, type Operation, type Row, type System } from "./operations.ts";

// Runs inside User-mode Linux. Usage: race.mjs PLAN, a `RacePlan` as JSON. Prints a line `FIGURES {…}` for each stage.

/** What to run, and how often. */
export interface RacePlan {
  /** Where the graphs go: on one file system for all. */
  folder: string;
  /** The programs that do the work: those of `bench/peers`, and Mica's. */
  programs: Partial<Record<System, string[]>>;
  fileSystem: "ext4" | "xfs";
  baseSize: string;
  dataSize: string;
  metadataSize: string;
  /** Fresh graphs for the first device. */
  firstDevices: number;
  /** Turns that are not counted. */
  warmUpTurns: number;
  /** Containers in each pool, smallest first, and how many turns each system has with that many. */
  stages: { containers: number; turns: number }[];
}

/** Each turn begins with a cycle that is not counted: the others had the processor's caches. */
const cyclesInTurn = 4;
/** What the system before left for the kernel to do is over by then. */
const settleMs = 200;

const stepOf: Record<Operation, string> = {
  create: "create",
  mount: "mount",
  unmount: "unmount",
  "mount again": "mount",
  "unmount again": "unmount",
  remove: "remove",
};

type Times = Partial<Record<Row, number>>;

const plan = JSON.parse(process.argv[2]) as RacePlan;
const systems = Object.keys(plan.programs) as System[];

const agents = systems.map((system) => new Agent(system, plan.programs[system]!));
const firstDevices = systems.map((): Times[] => []);
// The first is not counted.
for (let round = 0; round <= plan.firstDevices; round++) {
  for (const index of inTurn(round)) {
    await sleep(settleMs);
    const { milliseconds, close } = await open(agents[index], `first-${round}`);
    if (round > 0) firstDevices[index].push({ "first device": milliseconds });
    await close();
  }
}

const opened = [];
for (const agent of agents) opened.push(await open(agent, "race"));
for (const agent of agents) {
  // An image has been mounted, when it was unpacked. containerd mounts what it makes by itself.
  if (agent.name !== "containerd") {
    await agent.time("mount", "image");
    await agent.time("unmount", "image");
  }
}
let names = 0;
await runTurns(plan.warmUpTurns);
let containers = 0;
for (const stage of plan.stages) {
  for (; containers < stage.containers; containers++) {
    for (const agent of agents) await agent.time("create", `container-${containers}`);
  }
  const times = await runTurns(stage.turns);
  const rows = medians(times);
  if (stage === plan.stages[0]) rows.unshift(...medians(firstDevices));
  const figures: KernelFigures = { fileSystem: plan.fileSystem, containers, rows };
  console.log(`FIGURES ${JSON.stringify(figures)}`);
}
for (const { close } of opened) await close();
for (const agent of agents) await agent.end();

/** Opens a fresh graph, up to a device that containers can be made from. */
async function open(agent: Agent, name: string): Promise<{ milliseconds: number; close: () => Promise<void> }> {
  const root = join(plan.folder, `${agent.name}-${name}`);
  mkdirSync(root);
  const { fileSystem, baseSize, dataSize, metadataSize } = plan;
  let parameters: string[];
  let removePool = (): void => undefined;
  if (agent.name === "containerd") {
    const pool = `containerd-${name}`;
    removePool = makePool(pool, root, plan);
    parameters = [root, pool, baseSize, fileSystem];
  } else {
    const sizes = [`dm.basesize=${baseSize}`, `dm.loopdatasize=${dataSize}`, `dm.loopmetadatasize=${metadataSize}`];
    parameters = [root, ...sizes, `dm.fs=${fileSystem}`, "dm.override_udev_sync_check=true"];
  }
  const milliseconds = (await agent.time("open", ...parameters)) + (await agent.time("base"));
  const close = async (): Promise<void> => {
    await agent.time("close");
    removePool();
    rmSync(root, { recursive: true });
  };
  return { milliseconds, close };
}

/** The systems take turns. @returns the times of each cycle of each system */
async function runTurns(turns: number): Promise<Times[][]> {
  const times = systems.map((): Times[] => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const index of inTurn(turn)) {
      await sleep(settleMs);
      for (let cycle = 0; cycle < cyclesInTurn; cycle++) {
        const measured = await runCycle(agents[index]);
        if (cycle > 0) times[index].push(measured);
      }
    }
  }
  return times;
}

/** One container's life, with a second mount in it. */
async function runCycle(agent: Agent): Promise<Times> {
  const name = `cycle-${names++}`;
  const times = {} as Record<Operation, number>;
  for (const operation of operations) times[operation] = await agent.time(stepOf[operation], name);
  const begin = times.create + times.mount;
  const end = times.unmount + times.remove;
  return { ...times, "create and mount": begin, "unmount and remove": end, "whole container": begin + end };
}

function medians(times: readonly Times[][]): KernelFigures["rows"] {
  return (Object.keys(times[0][0]) as Row[]).map((row) => ({
    row,
    milliseconds: Object.fromEntries(
      systems.map((system, index) => [system, median(times[index].map((cycle) => cycle[row]!))]),
    ) as Record<System, number>,
  }));
}

/** Indices of the systems; each is first in turn. */
function inTurn(round: number): number[] {
  return systems.map((_, index) => (index + round) % systems.length);
}
