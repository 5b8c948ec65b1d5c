import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { describeTree, type TreeDescription } from "../file-system/testing/describe-tree.ts";
import { cannotMount, makeImage, mountImage, temporaryFolder } from "../file-system/testing/ext4-image.ts";
import { populate } from "../file-system/testing/populate.ts";
import { allLoops } from "../linux/loop.ts";
import { packageFile } from "../linux/package-root.ts";
import { until } from "../linux/testing/until.ts";
import { FrozenPool, type PoolFiles } from "./frozen-pool.ts";
import { type FrozenMountOptions, mountFrozen } from "./mount-frozen.ts";
import { openTree } from "./open-tree.ts";
import { poolOfImages } from "./testing/pool-of-images.ts";

const skip = cannotMount || (existsSync("/dev/fuse") ? false : "needs /dev/fuse");
const sizesMiB = { ext4: 64, xfs: 512 };

interface DirtyPool {
  files: PoolFiles;
  sizeBytes: number;
  live: TreeDescription;
}

/** A pool with one device, whose file system was not unmounted when the pool was stopped. */
function dirtyPool(t: TestContext, fsType: "ext4" | "xfs"): DirtyPool {
  const mkfs = fsType === "xfs" ? ["mkfs.xfs", "-q"] : ["mke2fs", "-q", "-F", "-t", "ext4"];
  const image = makeImage(t, sizesMiB[fsType], mkfs);
  const mounted = mountImage(t, image, fsType);
  populate(mounted.point, { many: 300, unwritten: true });
  execFileSync("sync", ["-f", mounted.point]);
  writeFileSync(join(mounted.point, "last"), "the log only has this");
  execFileSync("sync", ["-f", mounted.point]);
  const live = describeTree(mounted.point);
  const folder = temporaryFolder(t);
  execFileSync("cp", ["--sparse=always", image, join(folder, "copy")]);
  mounted.unmount();
  return { files: poolOfImages(folder, [join(folder, "copy")]), sizeBytes: sizesMiB[fsType] << 20, live };
}

/** What any write to a pool's files would change. */
function fingerprint({ metadataPath, dataPath }: PoolFiles): string {
  const facts = [metadataPath, dataPath].flatMap((path) => {
    const { mtimeNs, ctimeNs, blocks, size } = statSync(path, { bigint: true });
    return [mtimeNs, ctimeNs, blocks, size];
  });
  return facts.join();
}

/** What the mounts of a device hold on this machine. */
function traces(): string[] {
  const loops = allLoops().filter(({ backingFile }) => backingFile.includes("mica-frozen-"));
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").match(/\S*mica-frozen-\S*/g) ?? [];
  return [...loops.map(({ device, backingFile }) => `${device} ${backingFile}`), ...mounts];
}

/** Until no loop device of a mount is left: the kernel lets it go with its last user, a little later. */
function noTraces(): Promise<void> {
  return until("nothing is left", () => traces().length === 0, () => traces().join("\n")); // prettier-ignore
}

for (const fsType of ["ext4", "xfs"] as const) {
  test(`${fsType} with a log to replay is mounted, and of the pool nothing is written`, { skip }, async (t) => {
    const { files, sizeBytes, live } = dirtyPool(t, fsType);
    const before = fingerprint(files);
    const mounted = await mountFrozen({ ...files, deviceId: 1, sizeBytes, fsType });
    assert.deepEqual(describeTree(mounted.path), live);
    assert.throws(() => writeFileSync(join(mounted.path, "new"), ""), { code: "EROFS" });
    await mounted.close();
    assert.equal(existsSync(mounted.path), false);
    assert.equal(fingerprint(files), before);
    await noTraces();
  });

  test(`the tree of ${fsType} is opened by what the device holds`, { skip }, async (t) => {
    const { files, sizeBytes, live } = dirtyPool(t, fsType);
    const pool = FrozenPool.open(files);
    const tree = await openTree(pool, { deviceId: 1, sizeBytes });
    const top = tree.top();
    assert.deepEqual(describeTree(top), live);
    assert.equal(traces().length > 0, fsType === "xfs");
    top.close();
    await tree.close();
    pool.close();
    await noTraces();
  });
}

test("when the process that mounted is killed, the mount goes", { skip }, async (t) => {
  const { files, sizeBytes } = dirtyPool(t, "ext4");
  const options: FrozenMountOptions = { ...files, deviceId: 1, sizeBytes, fsType: "ext4" };
  const program = fileURLToPath(new URL("./testing/mount-and-wait.ts", import.meta.url));
  for (const victim of ["the caller", "the keeper"]) {
    const child = spawn(process.execPath, ["--import", "tsx", program, JSON.stringify(options)], {
      cwd: packageFile("."),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    const [path] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
    const [, keeper, folder] = /^\/proc\/(\d+)\/root(.*)\/root$/.exec(path)!;
    assert.ok(existsSync(join(path, "last")));
    assert.ok(traces().length > 0);
    if (victim === "the keeper") process.kill(Number(keeper), "SIGKILL");
    else child.kill("SIGKILL");
    await noTraces();
    assert.equal(existsSync(`/proc/${keeper}/root${folder}`), false);
    child.kill("SIGKILL");
    await ended;
    if (victim === "the caller") assert.equal(existsSync(folder), false);
    else spawnSync("rmdir", [join(folder, "fuse"), join(folder, "root"), folder]);
  }
});

test("what cannot be mounted is refused with a reason, and leaves nothing", { skip }, async (t) => {
  const image = makeImage(t, 8, ["mke2fs", "-q", "-F", "-t", "ext4"]);
  const empty = makeImage(t, 8, ["truncate", "-s", "8M"]);
  const files = poolOfImages(temporaryFolder(t), [image, empty]);
  const sizeBytes = 8 << 20;
  await assert.rejects(mountFrozen({ ...files, deviceId: 1, sizeBytes, fsType: "xfs" }), {
    name: "FrozenPoolError",
    code: "EINVAL",
    message: /Cannot mount thin device 1 \(xfs\)/,
  });
  await assert.rejects(mountFrozen({ ...files, deviceId: 9, sizeBytes, fsType: "xfs" }), { code: "ENODEV" });
  const pool = FrozenPool.open(files);
  await assert.rejects(openTree(pool, { deviceId: 2, sizeBytes }), { message: /device 2: it holds no file system/ });
  pool.close();
  await noTraces();
});

test("XFS without root is refused with a reason", { skip }, (t) => {
  const { files, sizeBytes } = dirtyPool(t, "xfs");
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  const copies = [files.metadataPath, files.dataPath].map((path, index) => {
    const copy = join(folder, String(index));
    execFileSync("cp", ["--sparse=always", path, copy]);
    chmodSync(copy, 0o444);
    return copy;
  });
  const program = fileURLToPath(new URL("./testing/describe-devices.ts", import.meta.url));
  const child = spawnSync(process.execPath, ["--import", "tsx", program, ...copies, `1:${sizeBytes}`], {
    uid: 65_534,
    gid: 65_534,
    cwd: packageFile("."),
    encoding: "utf8",
  });
  assert.notEqual(child.status, 0);
  assert.match(child.stderr, /Cannot read thin device 1: XFS needs root/);
});
