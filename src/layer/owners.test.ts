import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { applyLayer } from "./apply.ts";
import { DiffProcess } from "./diff-process.ts";
import type { OwnerMaps } from "./owner-map.ts";
import { craftTar } from "./testing/craft-tar.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";

const skip = process.getuid?.() === 0 ? false : "needs root: owners";

const owners: OwnerMaps = {
  users: [
    { containerId: 0, hostId: 100_000, size: 1000 },
    { containerId: 1000, hostId: 300_000, size: 10 },
  ],
  groups: [{ containerId: 0, hostId: 200_000, size: 65_536 }],
};

const ownerOf = (...path: string[]): [number, number] => {
  const { uid, gid } = lstatSync(join(...path));
  return [uid, gid];
};

test("a layer's owners are those inside a user namespace, its files' those outside", { skip }, async (t) => {
  const root = temporaryFolder(t);
  const tar = craftTar([
    { name: "left/out/file", content: "1", uid: 1, gid: 2 },
    { name: "folder/", type: "5", uid: 1009, gid: 65_535 },
    { name: "link", type: "2", linkName: "nowhere", uid: 999, gid: 0 },
    { name: "hard", type: "1", linkName: "left/out/file", uid: 1, gid: 2 },
  ]);
  await applyLayer(Readable.from([tar]), root, { owners });
  assert.deepEqual(ownerOf(root, "left"), [100_000, 200_000]);
  assert.deepEqual(ownerOf(root, "left/out"), [100_000, 200_000]);
  assert.deepEqual(ownerOf(root, "left/out/file"), [100_001, 200_002]);
  assert.deepEqual(ownerOf(root, "folder"), [300_009, 265_535]);
  assert.deepEqual(ownerOf(root, "link"), [100_999, 200_000]);
  assert.deepEqual(ownerOf(root, "hard"), [100_001, 200_002]);

  const diff = new DiffProcess();
  const packed = await buffer(diff.pack({ root, owners }));
  await diff.finished();
  const listing = execFileSync("tar", ["--numeric-owner", "-tvf", "-"], { input: packed, encoding: "utf8" });
  const listed = listing
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(/\s+/));
  assert.deepEqual(
    listed.map((words) => [words[5], words[1]]),
    [
      ["folder/", "1009/65535"],
      ["hard", "1/2"],
      ["left/", "0/0"],
      ["left/out/", "0/0"],
      ["left/out/file", "1/2"],
      ["link", "999/0"],
    ],
  );
});

test("owners that a user namespace does not have are refused, either way", { skip }, async (t) => {
  const root = temporaryFolder(t);
  const tar = craftTar([{ name: "file", uid: 1010 }]);
  await assert.rejects(
    applyLayer(Readable.from([tar]), root, { owners }),
    /Cannot unpack 'file': owner 1010 has no number on the host/,
  );
  rmSync(join(root, "file"), { force: true });
  writeFileSync(join(root, "ours"), "");
  chownSync(join(root, "ours"), 0, 200_000);
  const diff = new DiffProcess();
  await buffer(diff.pack({ root, owners }));
  await assert.rejects(diff.finished(), /Cannot pack 'ours': owner 0 has no number in the container/);
});

test("capabilities that a user namespace gave leave it as ordinary ones", { skip }, async (t) => {
  const root = temporaryFolder(t);
  writeFileSync(join(root, "ping"), "");
  // Revision 3, effective, CAP_NET_RAW, for the namespace whose root is 100000.
  const value = "0x0100000300200000000000000000000000000000a0860100";
  execFileSync("setfattr", ["-n", "security.capability", "-v", value, join(root, "ping")]);
  const diff = new DiffProcess();
  const packed = await buffer(diff.pack({ root }));
  await diff.finished();
  const name = Buffer.from("SCHILY.xattr.security.capability=");
  const at = packed.indexOf(name) + name.length;
  assert.equal(packed.subarray(at, at + 21).toString("hex"), "01000002002000000000000000000000000000000a");
});

test("a process compares what is mounted, and says what went wrong", { skip }, async (t) => {
  const top = temporaryFolder(t);
  mkdirSync(join(top, "below"));
  writeFileSync(join(top, "below/gone"), "");
  execFileSync("cp", ["-a", join(top, "below"), join(top, "root")]);
  rmSync(join(top, "root/gone"));
  writeFileSync(join(top, "root/new"), "four");
  const pair = { root: join(top, "root"), parentRoot: join(top, "below") };
  assert.deepEqual(await new DiffProcess().changes(pair), [
    { kind: "D", path: "/gone" },
    { kind: "A", path: "/new" },
  ]);
  assert.equal(await new DiffProcess().size(pair), 4);
  await assert.rejects(new DiffProcess().size({ root: join(top, "nowhere") }), /ENOENT/);
  const stopped = new DiffProcess();
  await stopped.stop();
  await assert.rejects(stopped.finished(), /SIGKILL/);
});
