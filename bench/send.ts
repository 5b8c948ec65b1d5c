import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openGraph, type Graph } from "../src/index.ts";
import { imageContext } from "../src/image/image-store.ts";
import { median } from "./statistics.ts";

const run = promisify(execFile);
const mica = fileURLToPath(new URL("../bin/mica", import.meta.url));

const SIZE = 2 ** 30;
const CHUNK = 2 ** 20;
const SAMPLES = 3;
/** An increment: so many writes of one pool block, here and there. */
const CHANGES = 1024;
const BLOCK = 65_536;

/** Seconds (medians) to bring a device of 1 GiB of random data from one pool into another, and what an increment on it costs. */
export interface SendFigures {
  /** `mica send | mica receive`, their starts too. */
  readonly pipe: number;
  readonly compressed: number;
  /** `dd` with direct I/O and `qemu-img convert`, from block device to block device, both active already. */
  readonly dd: number;
  readonly qemuImg: number;
  /** `mica send --from | mica receive` where 64 MiB have changed. */
  readonly increment: number;
  readonly incrementBytes: number;
}

/** On two graphs of its own under `dir`, in user space. */
export async function measureSends(dir: string): Promise<SendFigures> {
  const [here, there] = [await emptyGraph(join(dir, "here")), await emptyGraph(join(dir, "there"))];
  try {
    await makeContainer(here);
    await change(here, (write) => {
      for (let at = 0; at < SIZE; at += CHUNK) write(at, randomBytes(CHUNK));
    });
    await here.store.snapshot("disk", "base");
    const send = (...flags: string[]) => sampled(there, () => pipe(here.root, flags, there.root, "copy"));
    const whole = await send("base");
    const compressed = await send("base", "--compress");
    const copies = { dd: await sampledCopy(here, there, dd), qemuImg: await sampledCopy(here, there, qemuImg) };
    await change(here, (write) => {
      for (let at = 0; at < CHANGES; at++) write(((at * 7919) % (SIZE / BLOCK)) * BLOCK, randomBytes(BLOCK));
    });
    await here.store.snapshot("disk", "next");
    await pipe(here.root, ["base"], there.root, "base");
    const increment = await send("next", "--from", "base");
    const file = join(dir, "increment");
    await run(process.execPath, [mica, "--root", here.root, "send", "next", "--from", "base", "-o", file]);
    return { pipe: whole, compressed, ...copies, increment, incrementBytes: statSync(file).size };
  } finally {
    await here.shutdown();
    await there.shutdown();
  }
}

function emptyGraph(root: string): Promise<Graph> {
  const storageOptions = ["dm.basesize=256M", "dm.loopdatasize=8G", "dm.loopmetadatasize=64M"];
  return openGraph({ root, deviceMapper: "userspace", storageOptions });
}

/** A container without an image, on a blank device. */
async function makeContainer({ devices }: Graph): Promise<void> {
  const device = "d".repeat(64);
  await devices.createBlank(device, SIZE);
  const imageId = `sha256:${"0".repeat(64)}`;
  const record = {
    id: device,
    name: "disk",
    device,
    imageId,
    image: "none",
    created: new Date().toISOString(),
    received: true,
  };
  imageContext(devices).files.writeContainer(record);
}

async function change(
  { devices }: Graph,
  writeAll: (write: (offset: number, data: Uint8Array) => void) => void,
): Promise<void> {
  const device = "d".repeat(64);
  const fd = openSync(await devices.activate(device), "r+");
  try {
    writeAll((offset, data) => writeSync(fd, data, 0, data.length, offset));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  await devices.deactivate(device, { whenBusy: "retry" });
}

/** What a shell's pipe does. */
async function pipe(from: string, flags: string[], to: string, name: string): Promise<void> {
  const sender = spawn(process.execPath, [mica, "--root", from, "send", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const receiver = spawn(process.execPath, [mica, "--root", to, "receive", name], {
    stdio: [sender.stdout, "ignore", "ignore"],
  });
  sender.stdout.destroy(); // the receiver has it
  const status = await new Promise<number | null>((resolve, reject) => {
    receiver.once("error", reject);
    receiver.once("close", resolve);
  });
  if (status !== 0) throw new Error(`Cannot measure: mica receive ended with ${status}`);
}

async function sampled(there: Graph, work: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    times.push(await seconds(work));
    await there.store.removeContainer("copy");
  }
  return median(times);
}

type Copy = (from: string, to: string) => Promise<unknown>;

const dd: Copy = (from, to) =>
  run("dd", [`if=${from}`, `of=${to}`, "bs=1M", "iflag=direct", "oflag=direct", "conv=fsync"]);

const qemuImg: Copy = (from, to) =>
  run("qemu-img", ["convert", "-n", "-f", "raw", "-O", "raw", "-t", "none", "-T", "none", from, to]);

/** Onto a new blank device each time, as a receive has it. */
async function sampledCopy(here: Graph, there: Graph, copy: Copy): Promise<number> {
  const from = await here.devices.activate("d".repeat(64));
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await there.devices.createBlank("copy", SIZE);
    const to = await there.devices.activate("copy");
    times.push(await seconds(() => copy(from, to)));
    await there.devices.remove("copy");
  }
  await here.devices.deactivate("d".repeat(64), { whenBusy: "retry" });
  return median(times);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
