import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, openSync, closeSync, readFileSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { BlockSource } from "../file-system/block-source.ts";
import type { FileTree, TreeFolder } from "../file-system/file-tree.ts";
import { describeTree, type TreeDescription } from "../file-system/testing/describe-tree.ts";
import { cannotMount, temporaryFolder } from "../file-system/testing/ext4-image.ts";
import { packageFile } from "../linux/package-root.ts";
import { FrozenPool, type PoolFiles } from "./frozen-pool.ts";
import { openTree } from "./open-tree.ts";

const GiB = 2 ** 30;
const sizes = new Map([1, 2, 3, 4, 5, 6, 7].map((id) => [id, id < 6 ? GiB : 2 * GiB]));

/** The pool that Docker left, unpacked; test/fixtures/README.md has its facts. */
function dockerPool(t: TestContext): PoolFiles {
  const folder = temporaryFolder(t);
  const archive = packageFile("test/fixtures/docker-20.10-graph-ext4.tar.xz");
  execFileSync("tar", ["-xSJf", archive, "-C", folder, "--wildcards", "*devicemapper/devicemapper/*"]);
  const [metadataPath, dataPath] = execFileSync("find", [folder, "-type", "f"], { encoding: "utf8" })
    .trim()
    .split("\n")
    .sort()
    .reverse();
  return { metadataPath, dataPath };
}

function openPool(t: TestContext, files: PoolFiles): FrozenPool {
  const pool = FrozenPool.open(files);
  t.after(() => pool.close());
  return pool;
}

function openDevice(pool: FrozenPool, deviceId: number): Promise<FileTree> {
  return openTree(pool, { deviceId, sizeBytes: sizes.get(deviceId)! });
}

function names(top: TreeFolder, ...path: string[]): string[] {
  const folder = path.reduce((outer, name) => outer.folder(name), top);
  return folder.names();
}

/** What any write to a pool's files would change. */
function fingerprint({ metadataPath, dataPath }: PoolFiles): string {
  const bytes = createHash("sha256").update(readFileSync(metadataPath)).digest("hex");
  const facts = [metadataPath, dataPath].flatMap((path) => {
    const { mtimeNs, ctimeNs, blocks, size } = statSync(path, { bigint: true });
    return [mtimeNs, ctimeNs, blocks, size];
  });
  return [bytes, ...facts].join();
}

/** Everything of a folder's files that Docker's own list of differences goes by. */
function differences(now: TreeDescription, before: TreeDescription): string[] {
  const paths = [...new Set([...Object.keys(now), ...Object.keys(before)])].sort();
  return paths
    .filter((path) => now[path] !== before[path])
    .map((path) => `${path in before ? (path in now ? "C" : "D") : "A"} ${path}`);
}

test("the pool that Docker left is as Docker said", async (t) => {
  const files = dockerPool(t);
  const before = fingerprint(files);
  const pool = openPool(t, files);
  assert.equal(pool.blockBytes, 65_536);
  assert.equal(pool.transactionId, 7);
  assert.equal(pool.needsCheck, false);
  assert.equal(pool.space.usedDataBlocks, 1090);
  assert.equal(pool.space.dataBlocks, 32_768);
  assert.equal(pool.space.metadataBlocks, 16_384);
  assert.deepEqual(pool.problems(), { metadata: [], devices: [] });

  const top = (await openDevice(pool, 2)).top();
  assert.equal(names(top, "rootfs", "etc").filter((name) => /^f\d+$/.test(name)).length, 50);
  assert.equal(top.folder("rootfs").folder("etc").stat("f50")?.size, 20_000n);
  const rootfs = async (id: number): Promise<TreeDescription> =>
    describeTree((await openDevice(pool, id)).top().folder("rootfs"), { folderTimes: false });
  // docker diff names changed folders too, for what is in them.
  assert.deepEqual(differences(await rootfs(4), await rootfs(3)), [
    "A data",
    "A data/deep",
    "A data/deep/r1",
    "A data/deep/r2",
    "A data/deep/r3",
    "C etc/base.txt",
    "D etc/f1",
    "D etc/f2",
    "A etc/x",
  ]);
  assert.deepEqual(differences(await rootfs(7), await rootfs(6)), ["A etc/newfile"]);
  const deep = (await openDevice(pool, 4)).top().folder("rootfs").folder("data").folder("deep");
  for (const name of ["r1", "r2", "r3"]) assert.equal(deep.stat(name)?.size, 327_680n);
  assert.equal(fingerprint(files), before, "nothing was written");
});

test("devices are listed as thin_ls lists them", (t) => {
  const files = dockerPool(t);
  const fields = "DEV,MAPPED_BLOCKS,TRANSACTION,CREATE_TIME,SNAP_TIME,EXCLUSIVE_BLOCKS";
  const listed = execFileSync("thin_ls", ["--no-headers", "-o", fields, files.metadataPath], { encoding: "utf8" });
  const expected = listed
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/ +/).map(Number));
  const found = openPool(t, files)
    .devices()
    .map((device) => [
      device.id,
      device.mappedBlocks,
      device.transactionId,
      device.creationTime,
      device.snapshottedTime,
      device.exclusiveBlocks,
    ]);
  assert.deepEqual(found, expected);
});

test("who may only read the pool's files reads all devices", { skip: cannotMount }, (t) => {
  const files = dockerPool(t);
  for (let path = files.metadataPath; path.includes("mica-fs-"); path = join(path, "..")) chmodSync(path, 0o755);
  for (const path of Object.values(files) as string[]) {
    chownSync(path, 0, 0);
    chmodSync(path, 0o444);
  }
  const before = fingerprint(files);
  const program = fileURLToPath(new URL("./testing/describe-devices.ts", import.meta.url));
  const devices = [...sizes].map(([id, sizeBytes]) => `${id}:${sizeBytes}`);
  const parameters = ["--import", "tsx", program, files.metadataPath, files.dataPath, ...devices];
  const child = spawnSync(process.execPath, parameters, {
    uid: 65_534,
    gid: 65_534,
    cwd: packageFile("."),
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  assert.equal(child.status, 0, child.stderr);
  const { uid, described } = JSON.parse(child.stdout) as { uid: number; described: Record<string, TreeDescription> };
  assert.equal(uid, 65_534);
  assert.equal(Object.keys(described).length, 7);
  assert.match(described[4]["rootfs/data/deep/r1"], /size 327680/);
  assert.equal(fingerprint(files), before);
});

test("a device that is not there, or is read beyond its end, is refused", (t) => {
  const pool = openPool(t, dockerPool(t));
  assert.throws(() => pool.volume(99, GiB), { code: "ENODEV", message: /thin device 99: the pool has no such device/ });
  const volume = pool.volume(1, GiB);
  assert.throws(() => volume.read(Buffer.alloc(8192), 0, 8192, GiB - 4096), {
    code: "EINVAL",
    message: /1073741824 bytes/,
  });
  assert.throws(() => FrozenPool.open({ metadataPath: "/dev/zero", dataPath: "/dev/zero" }), { message: /superblock/ });
});

/** Overwrites a metadata block, and returns what was there. */
function exchangeBlock(path: string, block: number, content: Buffer): Buffer {
  const fd = openSync(path, "r+");
  const before = Buffer.alloc(content.length);
  readSync(fd, before, 0, before.length, block * 4096);
  writeSync(fd, content, 0, content.length, block * 4096);
  closeSync(fd);
  return before;
}

/** All metadata blocks in use, but for the superblock: those that are not zero. */
function usedMetadataBlocks(path: string): number[] {
  const fd = openSync(path, "r");
  const bytes = Buffer.alloc(4096);
  const used: number[] = [];
  for (let block = 1; block < 2000; block++) {
    if (readSync(fd, bytes, 0, 4096, block * 4096) === 4096 && bytes.readUInt32LE(0) !== 0) used.push(block);
  }
  closeSync(fd);
  return used;
}

test("of damaged metadata, what is sound is read, and what is lost is an error and never zeroes", (t) => {
  const files = dockerPool(t);
  const sound = openPool(t, files);
  const expected = new Map([...sizes].map(([id, sizeBytes]) => [id, contentOf(sound, id, sizeBytes)!]));
  const copy = join(temporaryFolder(t), "metadata");
  const told = { ranges: 0, devices: 0 };
  execFileSync("cp", ["--sparse=always", files.metadataPath, copy]);
  for (const block of usedMetadataBlocks(files.metadataPath)) {
    const intact = exchangeBlock(copy, block, Buffer.alloc(4096, 0xa5));
    const pool = FrozenPool.open({ ...files, metadataPath: copy });
    const { metadata, devices } = pool.problems();
    for (const [id, sizeBytes] of sizes) {
      const lost = devices.filter((problem) => problem.id === id);
      const found = contentOf(pool, id, sizeBytes);
      if (found === undefined) told.devices++;
      else {
        const isLost = (probe: number): boolean =>
          lost.some((range) => range.firstBlock <= probe && probe < range.endBlock);
        const wanted = expected.get(id)!.map((digest, index) => (isLost(probes[index]) ? "lost" : digest));
        assert.deepEqual(found, wanted, `metadata block ${block}, device ${id}`);
      }
      if (lost.length === 0) continue;
      told.ranges++;
      for (const { fault } of lost) assert.match(fault, /metadata block \d+/);
      assert.ok(metadata.length > 0);
    }
    pool.close();
    exchangeBlock(copy, block, intact);
  }
  assert.ok(told.ranges > 10 && told.devices > 0, JSON.stringify(told));
});

/** Virtual blocks that are looked at: many at the beginning, and some all over. */
const probes = Array.from({ length: 400 }, (_, index) => (index < 200 ? index : (index - 200) * 80));

/** A digest of each of the probes, or "lost"; undefined when all of the device is. */
function contentOf(pool: FrozenPool, id: number, sizeBytes: number): string[] | undefined {
  let volume: BlockSource;
  try {
    volume = pool.volume(id, sizeBytes);
  } catch (error) {
    assert.match((error as Error).message, new RegExp(`thin device ${id}: its mappings are lost.*metadata block`));
    return undefined;
  }
  const buffer = Buffer.alloc(4096);
  return probes.map((block) => {
    try {
      volume.read(buffer, 0, buffer.length, block * 65_536);
      return createHash("sha1").update(buffer).digest("hex");
    } catch (error) {
      assert.match(
        (error as Error).message,
        new RegExp(`^Cannot read bytes .* of thin device ${id}: .*metadata block \\d+`),
      );
      return "lost";
    }
  });
}
