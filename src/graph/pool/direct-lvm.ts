import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { kernelUserOf } from "../../block-device/device-users.ts";
import { isBlockDevice } from "../../linux/block-device.ts";
import type { DirectLvmOptions } from "../options/direct-lvm-options.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { readJsonFile, writeJsonFile } from "../files/json-file.ts";
import { runProgram } from "../run-program.ts";
import { humanSize } from "../options/size.ts";

/** The device mapper's name of the pool that direct-lvm makes, docker/thinpool. */
export const directLvmPool = "docker-thinpool";

const group = "docker";
const pool = `${group}/thinpool`;
const profile = "docker-thinpool";
const profileFolder = "/etc/lvm/profile";
const chunkBytes = 512 * 1024;
/** On a volume group while it is being set up: one that is found so was left by a set-up that was killed. */
const unfinishedTag = "mica_setup";

/** `$root/setup-config.json`, in Docker's form. */
const count = v.pipe(v.number(), v.integer());
const schema = v.object({
  Device: v.string(),
  ThinpPercent: count,
  ThinpMetaPercent: count,
  AutoExtendPercent: count,
  AutoExtendThreshold: count,
});

/**
 * Sets up LVM on the device of dm.directlvm_device, the first time, or activates the pool that was set up. A set-up that fails is undone; one
 * that was killed is done again. Only for who holds the graph's lock.
 *
 * @throws GraphError EINVAL, EBUSY, EEXIST: nothing was changed; ENOTSUP where LVM's tools are missing; EIO when one of them failed
 */
export async function ensureDirectLvm(context: GraphContext, options: DirectLvmOptions): Promise<void> {
  const file = join(context.root, "setup-config.json");
  const stored = readJsonFile(file, schema);
  if (stored !== undefined) {
    refuseOtherSetup(file, stored, asStored(options));
    if ((await context.mapper.info(directLvmPool)) === undefined) await runProgram("lvchange", ["-ay", pool]);
    return;
  }
  await refuseUnusable(context, options);
  context.log("info", `setting up LVM on ${options.device}: volume group ${group}, thin pool ${pool}`);
  try {
    await setUp(options);
    writeJsonFile(file, asStored(options));
  } catch (error) {
    await undo(context, options.device);
    throw error;
  }
  if (!existsSync("/usr/sbin/dmeventd") && !existsSync("/sbin/dmeventd")) {
    context.log(
      "warn",
      `${pool} will not grow by itself: that is dmeventd's part, which is not installed (package dmeventd)`,
    );
  }
}

async function setUp(options: DirectLvmOptions): Promise<void> {
  const { device } = options;
  if (options.force) await runProgram("wipefs", ["--all", "--force", device]);
  await runProgram("pvcreate", [device]);
  await runProgram("vgcreate", ["--addtag", unfinishedTag, group, device]);
  const create = (name: string, percent: number) =>
    runProgram("lvcreate", ["--wipesignatures", "y", "--yes", "-n", name, group, "--extents", `${percent}%VG`]);
  await create("thinpool", options.dataPercent);
  await create("thinpoolmeta", options.metadataPercent);
  const parts = ["--thinpool", pool, "--poolmetadata", `${group}/thinpoolmeta`];
  await runProgram("lvconvert", ["-y", "--zero", "n", "-c", `${chunkBytes / 1024}K`, ...parts]);
  mkdirSync(profileFolder, { recursive: true });
  writeFileSync(join(profileFolder, `${profile}.profile`), profileText(options));
  await runProgram("lvchange", ["--metadataprofile", profile, pool]);
  // Before it is written down as done: with the tag a later start would take it for a leftover.
  await runProgram("vgchange", ["--deltag", unfinishedTag, group]);
}

function profileText({ autoextendThreshold, autoextendPercent }: DirectLvmOptions): string {
  return [
    "activation {",
    `\tthin_pool_autoextend_threshold=${autoextendThreshold}`,
    `\tthin_pool_autoextend_percent=${autoextendPercent}`,
    "}",
    "",
  ].join("\n");
}

/** Before anything is changed. */
async function refuseUnusable(context: GraphContext, options: DirectLvmOptions): Promise<void> {
  const { device, force } = options;
  const refuse = (code: string, why: string) =>
    new GraphError(code, `Cannot set up LVM on '${device}' (dm.directlvm_device): ${why}`);
  if (!existsSync(device)) throw refuse("EINVAL", "there is no such device");
  if (!isBlockDevice(device)) throw refuse("EINVAL", "it is no block device");
  const { given, blockSizeBytes } = context.options;
  if (given.has("blocksize") && blockSizeBytes !== chunkBytes) {
    throw refuse("EINVAL", `its pool's blocks have ${humanSize(chunkBytes)}. Leave dm.blocksize out`);
  }
  if ((await groupTags()).includes(unfinishedTag)) {
    if ((await groupOf(device)) === group) await undo(context, device);
  }
  const holder = await groupOf(device);
  if (holder !== "") {
    throw refuse(
      "EBUSY",
      `it is in volume group ${holder}. Give another device, or remove that group (vgremove ${holder})`,
    );
  }
  const user = kernelUserOf(device);
  if (user !== undefined) throw refuse("EBUSY", `it is in use: ${user}`);
  if ((await groupNames()).includes(group)) {
    throw refuse(
      "EEXIST",
      `there is a volume group ${group} already. Remove it (vgremove ${group}), or use its pool with dm.thinpooldev`,
    );
  }
  const contents = await contentsOf(device);
  if (contents === undefined || force) return;
  throw refuse("EBUSY", `it holds ${contents}. Give another device, or dm.directlvm_device_force=true to wipe it`);
}

/** The volume group that a device is in; "" for none. */
async function groupOf(device: string): Promise<string> {
  const all = await runProgram("pvs", ["--noheadings", "--separator", "|", "-o", "pv_name,vg_name"]);
  const [, name] = all
    .split("\n")
    .map((line) => line.trim().split("|"))
    .find(([path]) => path !== "" && sameDevice(path, device)) ?? ["", ""];
  return name;
}

async function groupNames(): Promise<string[]> {
  return (await runProgram("vgs", ["--noheadings", "-o", "vg_name"])).split("\n").map((line) => line.trim());
}

async function groupTags(): Promise<string[]> {
  const select = ["--select", `vg_name=${group}`];
  return (await runProgram("vgs", ["--noheadings", "-o", "vg_tags", ...select])).trim().split(",");
}

/** "an ext4 file system", say; undefined for nothing that blkid knows. */
async function contentsOf(device: string): Promise<string | undefined> {
  const found = await runProgram("blkid", ["-p", "-o", "export", device], { acceptedStatus: 2 });
  const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, "m").exec(found)?.[1];
  const [type, partitions] = [value("TYPE"), value("PTTYPE")];
  if (type !== undefined) return `data of type ${type}`;
  return partitions === undefined ? undefined : `a partition table (${partitions})`;
}

function asStored(options: DirectLvmOptions): v.InferOutput<typeof schema> {
  return {
    Device: options.device,
    ThinpPercent: options.dataPercent,
    ThinpMetaPercent: options.metadataPercent,
    AutoExtendPercent: options.autoextendPercent,
    AutoExtendThreshold: options.autoextendThreshold,
  };
}

function refuseOtherSetup(file: string, stored: v.InferOutput<typeof schema>, wanted: typeof stored): void {
  const keys = Object.keys(stored) as (keyof typeof stored)[];
  const changed = keys.filter((key) => stored[key] !== wanted[key]);
  if (changed.length === 0) return;
  const what = changed.map((key) => `${key} ${stored[key]}, not ${wanted[key]}`).join("; ");
  throw new GraphError(
    "EINVAL",
    `Cannot change direct-lvm's set-up: '${file}' has ${what}. Leave the options as they were; LVM's own tools change the pool`,
  );
}

/** A device that was free before has nothing on it then. */
async function undo(context: GraphContext, device: string): Promise<void> {
  try {
    if ((await groupOf(device)) === group) await runProgram("vgremove", ["--force", "--yes", group]);
    if ((await contentsOf(device)) === "data of type LVM2_member") await runProgram("pvremove", ["--yes", device]);
  } catch (error) {
    context.log(
      "warn",
      `LVM's set-up on ${device} stays half done: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function sameDevice(one: string, other: string): boolean {
  return one === other || statSync(one, { throwIfNoEntry: false })?.rdev === statSync(other).rdev;
}
