/** What the graph does with pools of the kernel's: its own beside the user-space device mapper, and those that others made. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { userspaceDeviceMapper } from "../../src/device-mapper/userspace/userspace-device-mapper.ts";
import { kernelDeviceMapper } from "../../src/device-mapper/kernel/kernel-device-mapper.ts";
import { machineNeeds } from "../../src/graph/machine-needs.ts";
import { openDeviceSet, shutdownGraph } from "../../src/graph/graph.ts";
import { scratchFolder } from "../../src/graph/testing/scratch-folder.ts";
import { testGraph } from "../../src/graph/testing/test-graph.ts";
import { allLoops, attachLoop, detachLoop, loopInfo, loopsOf } from "../../src/linux/loop.ts";

const mebibyte = 2 ** 20;
const noUdev = "dm.override_udev_sync_check=true";
const small = [noUdev, "dm.basesize=256M", "dm.loopdatasize=1G", "dm.loopmetadatasize=16M"];

function dmsetup(...words: string[]): string {
  return execFileSync("dmsetup", words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/** A loop device on a new sparse file. */
function disk(t: TestContext, folder: string, name: string, bytes: number): string {
  const file = join(folder, name);
  writeFileSync(file, "");
  truncateSync(file, bytes);
  const device = attachLoop(file);
  t.after(() => detachLoop(device, { deferred: true }));
  return device;
}

/** All loop devices on files below a folder go, at the latest with an engine that was refused and is ending. */
async function noLoopsOn(folder: string): Promise<void> {
  const left = () => allLoops().filter(({ backingFile }) => backingFile.startsWith(folder));
  for (let attempt = 0; attempt < 500 && left().length > 0; attempt++) await sleep(10);
  assert.deepEqual(left(), []);
}

/** A pool made with plain dmsetup, of blocks of 128 KiB. */
function plainPool(t: TestContext, name: string): { data: string; metadata: string } {
  const folder = scratchFolder(t);
  const [data, metadata] = [disk(t, folder, "data", 512 * mebibyte), disk(t, folder, "metadata", 16 * mebibyte)];
  dmsetup("create", name, "--table", `0 1048576 thin-pool ${metadata} ${data} 256 0`);
  t.after(() => dmsetup("remove", "--retry", name));
  return { data, metadata };
}

/** Names of the files in a folder tree, with their contents. */
function contents(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), "latin1")]),
  );
}

test("a pool's files are never written by both device mappers", async (t) => {
  const folder = scratchFolder(t, () => shutdownGraph({ root }));
  const root = join(folder, "graph");
  const set = await openDeviceSet({ root, storageOptions: small });
  assert.equal((await machineNeeds({ root })).deviceMapper.kind, "kernel");
  await set.create("a");
  writeFileSync(join(await set.get("a"), "x"), "from the kernel");
  await set.put("a");
  await set.close();

  await assert.rejects(openDeviceSet({ root, deviceMapper: "userspace" }), {
    code: "EBUSY",
    message: /its pool docker-.* runs in the kernel's device mapper.*mica shutdown/,
  });
  const [data, metadata] = ["data", "metadata"].map((name) => join(root, "devicemapper", name));
  const userspace = userspaceDeviceMapper();
  const table = `0 2097152 thin-pool ${metadata} ${data} 128 0`;
  await assert.rejects(userspace.create("other", table), {
    code: "EBUSY",
    message: /metadata: it is in use in the kernel: docker-.*-pool stands on \/dev\/loop\d/,
  });
  const [loop] = loopsOf(metadata);
  await assert.rejects(userspace.create("other", table.replace(metadata, loop)), { code: "EBUSY" });

  await shutdownGraph({ root });
  await noLoopsOn(root);
  const moved = await openDeviceSet({ root, deviceMapper: "userspace" });
  assert.equal(readFileSync(join(await moved.get("a"), "x"), "utf8"), "from the kernel");
  await moved.put("a");
  await moved.create("b", "a");
  await moved.close();
  assert.equal((await machineNeeds({ root })).deviceMapper.kind, "userspace");
  await assert.rejects(openDeviceSet({ root, deviceMapper: "kernel" }), {
    code: "EBUSY",
    message: /runs in the user-space/,
  });
  // As one who does not ask which of them runs.
  await assert.rejects(openDeviceSet({ root, deviceMapper: kernelDeviceMapper() }), {
    code: "EBUSY",
    message: /devicemapper\/data': it is in use: a pool in user space has it/,
  });
  await noLoopsOn(root);

  await shutdownGraph({ root });
  const back = await openDeviceSet({ root });
  assert.equal((await machineNeeds({ root })).deviceMapper.kind, "kernel");
  assert.equal(readFileSync(join(await back.get("b"), "x"), "utf8"), "from the kernel");
  await back.put("b");
  assert.deepEqual(await back.check(), []);
  await back.close();
});

test("without udev and without the option for that, the pool runs in user space", async (t) => {
  const folder = scratchFolder(t);
  const root = join(folder, "graph");
  const said: string[] = [];
  const needs = await machineNeeds({ root, log: (_, message) => said.push(message) });
  assert.equal(needs.deviceMapper.kind, "userspace");
  assert.match(said.join("\n"), /udev is not in sync/);
  assert.equal((await machineNeeds({ root, storageOptions: [noUdev] })).deviceMapper.kind, "kernel");
});

test("a loop device that was left on a file is taken again, and all end with the pool", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  mkdirSync(join(graph.root, "devicemapper"), { recursive: true });
  const file = join(graph.root, "devicemapper/data");
  writeFileSync(file, "");
  truncateSync(file, 1024 * mebibyte);
  const left = attachLoop(file);
  const set = await graph.open({ storageOptions: small });
  const status = Object.fromEntries(await set.status());
  assert.equal(status["Data file"], left);
  assert.equal(status["Data loop file"], file);
  assert.equal(loopInfo(status["Metadata file"])?.directIo, true);
  await set.shutdown();
  await noLoopsOn(graph.root);
});

test("what another mapped device stands on is refused, and who it is", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const folder = scratchFolder(t);
  const [data, metadata] = [disk(t, folder, "data", 256 * mebibyte), disk(t, folder, "metadata", 16 * mebibyte)];
  dmsetup("create", "somebody", "--table", `0 1024 linear ${data} 0`);
  t.after(() => dmsetup("remove", "somebody"));
  const options = [noUdev, `dm.datadev=${data}`, `dm.metadatadev=${metadata}`];
  await assert.rejects(graph.open({ storageOptions: options }), {
    code: "EBUSY",
    message: new RegExp(`'${data}': it is in use: somebody stands on ${data}`),
  });
  assert.ok(readFileSync(metadata).every((byte) => byte === 0));
});

test("a pool that someone else made is used, and only the graph's own devices in it", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  plainPool(t, "somebodys-pool");
  const message = (text: string) => dmsetup("message", "somebodys-pool", "0", text);
  for (const id of [1, 2, 77]) message(`create_thin ${id}`);
  message("set_transaction_id 0 40");
  const given = ["dm.basesize=128M", "dm.thinpooldev=/dev/mapper/somebodys-pool"];
  await assert.rejects(graph.open({ storageOptions: [...given, "dm.blocksize=64K"] }), {
    code: "EINVAL",
    message: /pool somebodys-pool was made with 131\.1 kB/,
  });
  const set = await graph.open({ storageOptions: given });
  await set.create("a");
  writeFileSync(join(await set.get("a"), "x"), "x");
  await set.put("a");
  const status = Object.fromEntries(await set.status());
  assert.equal(status["Pool Name"], "somebodys-pool");
  assert.equal(status["Pool Blocksize"], "131.1kB");
  assert.equal(status["Data file"], undefined);
  assert.equal(status["Metadata file"], undefined);
  assert.deepEqual((await set.devices()).map(({ id, deviceId, transactionId }) => [id, deviceId, transactionId]), [
    ["a", 4, 42],
    ["base", 3, 41],
  ]); // prettier-ignore
  assert.match(graph.logged.join("\n"), /device id 1 should be free, but exists in pool somebodys-pool/);

  // Someone takes transactions of their own meanwhile.
  message("set_transaction_id 42 50");
  await set.create("b", "a");
  assert.deepEqual(await set.check(), []);
  await set.remove("b");
  message("set_transaction_id 52 30");
  await assert.rejects(set.create("c"), {
    code: "EFOREIGN",
    message: /files are at transaction 52, but pool somebodys-pool is only at 30/,
  });
  message("set_transaction_id 30 52");
  await set.create("c");
  await set.shutdown();

  assert.match(dmsetup("status", "somebodys-pool"), /thin-pool 53 /);
  const again = await graph.open();
  assert.equal(await again.exists("c"), true);
  const ids = (await graph.mapper.usage("somebodys-pool")).devices.map(({ id }) => id);
  assert.deepEqual(
    ids.filter((id) => [1, 2, 77].includes(id)),
    [1, 2, 77],
  );
});

test("what is no pool, or one that cannot be changed, is refused with what to do, and nothing is changed", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const open = (name: string) => graph.open({ storageOptions: ["dm.basesize=128M", `dm.thinpooldev=${name}`] });
  await assert.rejects(open("nothing"), { code: "ENXIO", message: /there is no such device.*lvchange -ay/ });
  const folder = scratchFolder(t);
  const device = disk(t, folder, "disk", 16 * mebibyte);
  dmsetup("create", "linear-one", "--table", `0 1024 linear ${device} 0`);
  t.after(() => dmsetup("remove", "linear-one"));
  await assert.rejects(open("linear-one"), { code: "ENXIO", message: /it is no thin pool/ });

  // A metadata device that begins to fail under a running pool: read-only first, failed where even that cannot be read back.
  const [data, metadata] = [disk(t, folder, "data", 512 * mebibyte), disk(t, folder, "metadata", 16 * mebibyte)];
  const sectors = (16 * mebibyte) / 512;
  dmsetup("create", "shaky", "--table", `0 ${sectors} linear ${metadata} 0`);
  dmsetup("create", "shaky-pool", "--table", `0 1048576 thin-pool /dev/mapper/shaky ${data} 128 0`);
  t.after(() => ["shaky-pool", "shaky"].forEach((name) => dmsetup("remove", "--retry", name)));
  const set = await open("shaky-pool");
  await set.create("a");
  dmsetup("suspend", "--nolockfs", "shaky");
  dmsetup("load", "shaky", "--table", `0 ${sectors} error`);
  dmsetup("resume", "shaky");
  await assert.rejects(set.create("b"));
  assert.match(dmsetup("status", "shaky-pool"), / Fail$| needs_check /);
  const before = contents(graph.root);
  await assert.rejects(set.create("c"), { message: /shaky-pool.*lvconvert --repair|shaky-pool.*Fail/ });
  await set.close();
  await assert.rejects(open("shaky-pool"), { message: /shaky-pool.*(lvconvert --repair|dmesg)/ });
  assert.deepEqual(contents(graph.root), before);
});

test("a start that is killed half-way leaves nothing in the way of the next one", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  // As one leaves it that dies between making the device and putting its table in force.
  await (await graph.open({ storageOptions: small })).close();
  await graph.stop();
  const { pool } = { pool: Object.fromEntries(await (await graph.open()).status())["Pool Name"] };
  await graph.stop();
  assert.ok(!existsSync(`/dev/mapper/${pool}`));
  dmsetup("create", pool, "--notable", "--uuid", "MICA-pool-left");
  const set = await graph.open();
  await set.create("a");
});
