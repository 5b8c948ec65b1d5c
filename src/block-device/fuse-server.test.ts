import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "../linux/testing/until.ts";
import { attachLoop, detachLoop, loopInfo, loopsOf } from "../linux/loop.ts";
import { isMounted } from "../linux/mount-table.ts";
import { unmount } from "../linux/mount.ts";
import { seek } from "../linux/seek.ts";

const possible = process.getuid?.() === 0 && existsSync("/dev/fuse") && existsSync("/dev/loop-control");
const SIZE = 64 << 20;

/** The server over a flat file, in a process of its own: without a pool every part of the protocol can be tried. */
describe("the FUSE server", { skip: possible ? false : "needs root, /dev/fuse and loop devices" }, () => {
  let folder: string;
  let point: string;
  let child: ChildProcess;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "mica-fuse-"));
    point = join(folder, "mount");
    mkdirSync(point);
    writeFileSync(join(folder, "data"), "");
    truncateSync(join(folder, "data"), SIZE);
    const program = fileURLToPath(new URL("./flat-file-server.ts", import.meta.url));
    // The mount's /dev/fuse is open in that process alone: whoever holds it and uses the mount too can wait for itself.
    child = spawn(process.execPath, ["--import", "tsx", program, join(folder, "data"), point], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => child.stdout?.once("data", resolve));
  });
  after(() => {
    if (child.exitCode === null) child.kill("SIGKILL"); // ends the connection, and with it whatever still waits
    for (const device of loopsOf(join(point, "flat"))) detachLoop(device, { deferred: true });
    if (isMounted(point)) unmount(point, { lazy: true });
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (text: string) => {
    const fd = openSync(join(point, "control"), "r+");
    try {
      writeSync(fd, `t${Math.random()} ${text}`, 0);
      const answer = Buffer.alloc(4096);
      return answer.toString("utf8", 0, readSync(fd, answer, 0, 4096, 0));
    } finally {
      closeSync(fd);
    }
  };

  const counts = () => JSON.parse(ask("counts")) as Record<"holes" | "zeroed" | "flushes" | "held", number>;

  test("lists its files and answers stat and statfs", () => {
    assert.deepEqual(readdirSync(point).sort(), ["control", "flat"]);
    assert.equal(statSync(join(point, "flat")).size, SIZE);
    assert.equal(statfsSync(point).bsize, 65536);
    assert.throws(() => statSync(join(point, "none")), { code: "ENOENT" });
    assert.throws(() => writeFileSync(join(point, "new"), ""), { code: "ENOSYS" });
    assert.match(spawnSync("ls", ["-la", point], { encoding: "utf8" }).stdout, /flat/);
  });

  test("reads and writes at any place and length", () => {
    const fd = openSync(join(point, "flat"), "r+");
    try {
      const data = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index * 7));
      assert.equal(writeSync(fd, data, 0, data.length, 12_345), data.length);
      const back = Buffer.alloc(data.length);
      assert.equal(readSync(fd, back, 0, back.length, 12_345), data.length);
      assert.ok(back.equals(data));
      assert.equal(readSync(fd, back, 0, 4096, SIZE - 512), 512);
      assert.equal(readSync(fd, back, 0, 4096, SIZE), 0);
      assert.throws(() => writeSync(fd, data, 0, 4096, SIZE - 512), { code: "ENOSPC" });
    } finally {
      closeSync(fd);
    }
  });

  test("answers messages, each reader its own", () => {
    assert.equal(ask("hello"), "answer to hello");
    const [one, two] = [0, 1].map(() => openSync(join(point, "control"), "r+"));
    const buffer = Buffer.alloc(100);
    assert.throws(() => readSync(one, buffer, 0, 100, 0), { code: "ECONNRESET" });
    assert.throws(() => writeSync(one, "nospace", 0), { code: "EINVAL" });
    writeSync(one, "1 first", 0);
    writeSync(two, "2 second", 0);
    assert.equal(buffer.toString("utf8", 0, readSync(one, buffer, 0, 100, 0)), "answer to first");
    assert.equal(buffer.toString("utf8", 0, readSync(two, buffer, 0, 6, 0)), "answer");
    for (const fd of [one, two]) closeSync(fd);
  });

  test("a loop device on it discards, zeroes and flushes", () => {
    const device = attachLoop(join(point, "flat"), { directIo: true });
    assert.equal(loopInfo(device)?.directIo, true);
    assert.equal(readFileSync(`/sys/block/${device.slice(5)}/queue/discard_granularity`, "utf8").trim(), "65536");
    assert.equal(spawnSync("mkfs.ext4", ["-q", "-F", device]).status, 0);
    for (const [option, counter] of [
      ["--discard", "holes"],
      ["--zeroout", "zeroed"],
    ] as const) {
      assert.equal(
        spawnSync("blkdiscard", [
          "-f",
          ...(option === "--discard" ? [] : ["-z"]),
          "-o",
          "1048576",
          "-l",
          "1048576",
          device,
        ]).status,
        0,
      );
      assert.ok(counts()[counter] > 0, option);
    }
    const fd = openSync(device, "r+");
    writeSync(fd, Buffer.alloc(4096, 1));
    spawnSync("sync", [device]);
    closeSync(fd);
    assert.ok(counts().flushes > 0);
    assert.equal(detachLoop(device), "detached");
  });

  test("tells where data and holes are, so that copies stay sparse", () => {
    const file = join(folder, "data");
    truncateSync(file, 0);
    truncateSync(file, SIZE);
    const fd = openSync(join(point, "flat"), "r+");
    try {
      writeSync(fd, Buffer.alloc(4096, 1), 0, 4096, 1 << 20);
      assert.equal(seek(fd, 0, "hole"), 0);
      assert.equal(seek(fd, 0, "data"), 1 << 20);
      assert.equal(seek(fd, 1 << 20, "hole"), (1 << 20) + 4096);
      assert.equal(seek(fd, 2 << 20, "data"), undefined);
      assert.equal(seek(fd, SIZE, "hole"), undefined);
    } finally {
      closeSync(fd);
    }
    assert.equal(spawnSync("cp", [join(point, "flat"), join(folder, "copy")]).status, 0);
    assert.ok(statSync(join(folder, "copy")).blocks * 512 < 1 << 20);
    assert.equal(spawnSync("cmp", [join(point, "flat"), join(folder, "copy")]).status, 0);
  });

  test("holds what cannot be done now, and does it later", async () => {
    ask("hold on");
    const writer = spawn("dd", ["if=/dev/zero", `of=${join(point, "flat")}`, "bs=4096", "count=2", "conv=notrunc"], {
      stdio: "ignore",
    });
    await until("a write is held", () => counts().held === 1);
    assert.equal(writer.exitCode, null);
    const ended = new Promise((resolve) => writer.once("exit", resolve));
    ask("hold off");
    assert.equal(await ended, 0);
    assert.equal(counts().held, 0);
  });

  test("ends when it is unmounted", async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    unmount(point);
    assert.equal(await ended, 0);
  });
});
