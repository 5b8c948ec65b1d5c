import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { openDeviceSet, type DeviceSet } from "../../src/graph/graph.ts";
import { requireStory, Story, type Contents, type Step } from "./crash-in-kernel-story.ts";

const MEBIBYTE = 2 ** 20;
const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** A graph that is used by turns in user space and in the kernel, and what has to be in it. */
export interface CrossingGraph {
  root: string;
  fileSystem: "ext4" | "xfs";
  mapper: "userspace" | "kernel";
  /** As the other side left it; undefined for a graph that is to be made. */
  contents: Contents | undefined;
}

/** XFS has no smaller file systems, nor smaller logs. */
const baseSize = { ext4: "64M", xfs: "304M" };

/**
 * Opens a graph, finds in it what the other side left, uses it in every way that there is, and shuts it down.
 *
 * @param leg names what is made, so that each leg makes its own
 * @returns what is in it now
 */
export async function useGraph(graph: CrossingGraph, leg: string): Promise<Contents> {
  const { root, fileSystem, contents } = graph;
  const options = [
    `dm.fs=${fileSystem}`,
    `dm.basesize=${baseSize[fileSystem]}`,
    "dm.loopdatasize=1G",
    "dm.loopmetadatasize=4M",
  ];
  const set = await openDeviceSet({
    root,
    deviceMapper: graph.mapper,
    storageOptions: [...(contents === undefined ? options : []), "dm.override_udev_sync_check=true"],
    autogrow: { enabled: false },
  });
  try {
    assert.deepEqual(await set.check(), []);
    if (contents !== undefined) {
      await requireContents(set, contents);
      await requireFileSystems(set, fileSystem);
    }
    const left = await change(set, contents, leg);
    assert.deepEqual(await set.check(), []);
    await requireContents(set, left);
    return left;
  } finally {
    await set.shutdown();
    execFileSync("thin_check", ["-q", join(root, "devicemapper/metadata")], { env: { ...process.env, PATH: path } });
  }
}

/** The pool's devices, whichever side looks. */
async function requireContents(set: DeviceSet, contents: Contents): Promise<void> {
  const step: Step = { name: "crossing", touched: "", contents };
  await requireStory(set, [step], 0);
}

async function requireFileSystems(set: DeviceSet, fileSystem: "ext4" | "xfs"): Promise<void> {
  const [program, ...parameters] = fileSystem === "ext4" ? ["e2fsck", "-fn"] : ["xfs_repair", "-n"];
  for (const { id } of await set.devices()) {
    if (id === "base") continue;
    const device = await set.activate(id);
    execFileSync(program, [...parameters, device], { env: { ...process.env, PATH: path }, stdio: "pipe" });
    await set.deactivate(id);
  }
}

/** Snapshots of snapshots and of what is in use, removals (of the other side's devices too), growth of a device, of data and metadata. */
async function change(set: DeviceSet, before: Contents | undefined, leg: string): Promise<Contents> {
  const story = new Story(() => undefined, before);
  const [oldest, ...others] = [...(before?.keys() ?? [])];
  const parent = others.at(-1) ?? "base";
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => `${leg}-${name}`);
  await story.create(set, a, parent);
  const rootfs = await set.get(a);
  story.write(rootfs, a, `in-${a}`, 700);
  // What it has from its parent is changed in it only.
  if (parent !== "base") story.write(rootfs, a, "shared", 130);
  await story.create(set, b, a);
  story.write(rootfs, a, "shared", 90);
  await story.create(set, c, b);
  await set.put(a);
  const inC = await set.get(c);
  story.write(inC, c, "shared", 40);
  await set.put(c);
  await story.remove(set, b);
  const parentBytes = (await set.device(c))!.sizeBytes;
  await story.create(set, d, c, parentBytes + 32 * MEBIBYTE);
  if (before !== undefined) await story.remove(set, oldest);
  await set.growPool({ dataBytes: { addBytes: 64 * MEBIBYTE }, metadataBytes: { addBytes: MEBIBYTE } });
  const inD = await set.get(d);
  story.write(inD, d, "after-growth", 300);
  await set.put(d);
  return story.contents;
}

/** Tells the other side what a graph holds. */
export function writeContents(file: string, contents: Contents): void {
  writeFileSync(file, JSON.stringify([...contents].map(([id, files]) => [id, [...files]])));
}

/** The inverse. */
export function parseContents(text: string): Contents {
  const devices = JSON.parse(text) as [string, [string, string][]][];
  return new Map(devices.map(([id, files]) => [id, new Map(files)]));
}
