import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { lockFileSync } from "../linux/flock.ts";
import { attachLoop, detachLoop } from "../linux/loop.ts";
import { mount, unmount } from "../linux/mount.ts";
import { allLoops } from "../linux/loop.ts";
import { ThinMetadata } from "../thin/metadata.ts";
import { runProgram } from "./run-program.ts";
import { smallSizes, testGraph, type TestGraph } from "./testing/test-graph.ts";
import { interceptMapper } from "./testing/test-mapper.ts";

const mebibyte = 2 ** 20;
const tiny = ["dm.basesize=128M", "dm.loopdatasize=256M", "dm.loopmetadatasize=2M"];

/** A block device: loop on a sparse file, detached after the test. */
function blockDevice(t: TestContext, graph: TestGraph, name: string, bytes: number): string {
  const file = join(dirname(graph.root), "disks", name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "");
  truncateSync(file, bytes);
  const device = attachLoop(file);
  t.after(() => detachLoop(device, { deferred: true }));
  return device;
}

function digestOf(contents: Buffer | string): string {
  return createHash("sha256").update(contents).digest("hex");
}

/** What a refusal must not change: the graph's files, and what the pool's metadata says; all of that where it says nothing. */
async function stateOf(graph: TestGraph): Promise<Record<string, string>> {
  const folder = join(graph.root, "metadata");
  const state: Record<string, string> = {};
  for (const name of readdirSync(folder)) state[name] = digestOf(readFileSync(join(folder, name)));
  const pool = join(graph.root, "devicemapper/metadata");
  state["the pool"] = digestOf(await dumpOf(pool).catch(() => readFileSync(pool)));
  return state;
}

async function dumpOf(metadata: string): Promise<string> {
  return (await promisify(execFile)("/usr/sbin/thin_dump", [metadata], { maxBuffer: 64 * mebibyte })).stdout;
}

/** Opening it is refused, with nothing changed and nothing left running. */
async function assertRefused(graph: TestGraph, expected: { code: string; message: RegExp }): Promise<void> {
  const before = await stateOf(graph);
  await assert.rejects(graph.open(), expected);
  assert.deepEqual(await stateOf(graph), before);
  assert.deepEqual(await graph.mapper.list(), []);
  const left = allLoops().filter(({ backingFile }) => backingFile.startsWith(graph.root));
  assert.deepEqual(left, []);
}

test("devices that cannot be the pool's are refused, and left as they are", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const data = blockDevice(t, graph, "data", 256 * mebibyte);
  const metadata = blockDevice(t, graph, "metadata", 16 * mebibyte);
  const open = (dataDevice: string, metadataDevice: string) =>
    graph.open({
      storageOptions: ["dm.basesize=256M", `dm.datadev=${dataDevice}`, `dm.metadatadev=${metadataDevice}`],
    });
  const plain = join(dirname(graph.root), "disks", "plain");
  writeFileSync(plain, "text");
  await assert.rejects(open("/dev/no-such-device", metadata), { code: "EINVAL", message: /there is no such device/ });
  await assert.rejects(open(plain, metadata), {
    code: "EINVAL",
    message: /plain' for the pool: it is no block device/,
  });

  writeFileSync(metadata, "something else", { flag: "r+" });
  await assert.rejects(open(data, metadata), {
    code: "EINVAL",
    message: new RegExp(
      `holds something else than a thin pool's metadata.*dd if=/dev/zero of=${metadata} bs=4096 count=1`,
    ),
  });
  assert.equal(readFileSync(metadata).toString("latin1", 0, 14), "something else");
  writeFileSync(metadata, Buffer.alloc(4096), { flag: "r+" });

  await runProgram("mkfs.ext4", ["-q", data]);
  const point = join(dirname(graph.root), "mounted");
  mkdirSync(point);
  mount(data, point, "ext4");
  try {
    await assert.rejects(open(data, metadata), { code: "EBUSY", message: new RegExp(`${data}.*in use.*umount`) });
  } finally {
    unmount(point);
  }
  await runProgram("e2fsck", ["-fn", data]);
  assert.deepEqual(await graph.mapper.list(), []);
  const set = await open(data, metadata);
  await set.create("a");
  await graph.stop();
});

test("one device and one file make a pool too", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const data = blockDevice(t, graph, "data", 256 * mebibyte);
  const options = ["dm.basesize=256M", `dm.datadev=${data}`, "dm.loopmetadatasize=16M"];
  const set = await graph.open({ storageOptions: options });
  const status = Object.fromEntries(await set.status());
  assert.equal(status["Data file"], data);
  assert.equal(status["Data loop file"], undefined);
  assert.equal(status["Metadata loop file"], join(graph.root, "devicemapper/metadata"));
  await set.create("a");
  await graph.stop();
  const again = await graph.open();
  assert.equal(await again.exists("a"), true);
});

test("a pool that asks for a check, or whose superblock is damaged, is refused with what to do", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await (await graph.open({ storageOptions: tiny })).create("a");
  await graph.stop();
  const path = join(graph.root, "devicemapper/metadata");
  const whole = readFileSync(path);
  const metadata = ThinMetadata.open(path);
  metadata.setNeedsCheck();
  metadata.close();
  await assertRefused(graph, {
    code: "EROFS",
    message: /in need of a check.*thin_check --clear-needs-check-flag.*thin_repair/,
  });

  const damaged = Buffer.from(whole);
  damaged[200] ^= 1;
  writeFileSync(path, damaged);
  await assertRefused(graph, {
    code: "EDAMAGED",
    message: /superblock.*cannot be used.*thin_repair -i .*metadata -o COPY/,
  });

  writeFileSync(path, Buffer.concat([Buffer.alloc(4096), whole.subarray(4096)]));
  await assertRefused(graph, { code: "EFOREIGN", message: /does not hold its base device, nor 1 of its 1/ });

  writeFileSync(path, whole);
  assert.equal(await (await graph.open()).exists("a"), true);
});

test("a pool that is older than the graph's files, and files that are older than the pool, are refused", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await (await graph.open({ storageOptions: tiny })).create("a");
  await graph.stop();
  const pool = join(graph.root, "devicemapper/metadata");
  const files = join(graph.root, "metadata");
  const aside = join(dirname(graph.root), "aside");
  cpSync(pool, join(aside, "old-pool"));
  cpSync(files, join(aside, "old-files"), { recursive: true });
  const set = await graph.open();
  for (const id of ["b", "c", "d"]) await set.create(id);
  await graph.stop();
  cpSync(pool, join(aside, "new-pool"));
  cpSync(files, join(aside, "new-files"), { recursive: true });

  cpSync(join(aside, "old-pool"), pool);
  await assertRefused(graph, { code: "EFOREIGN", message: /files are at transaction 5, but pool .* only at 2/ });

  cpSync(join(aside, "new-pool"), pool);
  rmSync(files, { recursive: true });
  cpSync(join(aside, "old-files"), files, { recursive: true });
  await assertRefused(graph, {
    code: "EFOREIGN",
    message: /know transactions up to 2, but pool .* is at 5 and holds 3 devices/,
  });

  rmSync(files, { recursive: true });
  cpSync(join(aside, "new-files"), files, { recursive: true });
  const again = await graph.open();
  assert.deepEqual(await again.check(), []);
  assert.equal((await again.devices()).length, 5);
});

test("a transaction that someone else takes in the same pool is undone, and said", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  let meddle = false;
  const mapper = interceptMapper(graph.mapper, (call) => {
    if (!meddle || !call.includes("set_transaction_id")) return;
    meddle = false;
    const [from, to] = call.split(" ").slice(-2);
    others.push(graph.mapper.message(set.poolName, `set_transaction_id ${from} ${to}`));
  });
  const others: Promise<string>[] = [];
  const set = await graph.open({ deviceMapper: mapper });
  meddle = true;
  await assert.rejects(set.create("a"), { code: "EFOREIGN", message: /someone else changes it too/ });
  await Promise.all(others);
  assert.equal(await set.exists("a"), false);
  await set.create("a");
  assert.deepEqual(await set.check(), []);
});

test("the graph of a Docker that runs is left alone", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const dataRoot = join(dirname(graph.root), "docker");
  const root = join(dataRoot, "devicemapper");
  const database = join(dataRoot, "volumes/metadata.db");
  mkdirSync(dirname(database), { recursive: true });
  mkdirSync(join(root, "metadata"), { recursive: true });
  writeFileSync(database, "");
  const lock = lockFileSync(database);
  await assert.rejects(graph.open({ root }), {
    code: "EBUSY",
    message: /Docker is running on .*docker.*systemctl stop docker/,
  });
  assert.equal(statSync(root).isDirectory(), true);
  assert.deepEqual(readdirSync(join(root, "metadata")), []);
  lock.release();
  const set = await graph.open({ root, storageOptions: smallSizes });
  await set.create("a");
  await set.shutdown();
});
