import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { applyLayer } from "./apply.ts";
import { changes } from "./changes.ts";
import { diffSize } from "./diff-size.ts";
import { packDiff, packTree } from "./pack.ts";
import { MountedFolder } from "../file-system/mounted-folder.ts";
import { describeTree } from "../file-system/testing/describe-tree.ts";
import { openTop } from "../file-system/testing/open-top.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";

const skip = process.getuid?.() === 0 ? false : "needs root: owners and devices";

/** A root file system and an exact copy of it, to be changed. */
function pair(t: TestContext): { parent: string; child: string; top: string } {
  const top = temporaryFolder(t);
  const parent = join(top, "parent");
  mkdirSync(join(parent, "etc", "conf.d"), { recursive: true });
  mkdirSync(join(parent, "usr", "lib", "deep"), { recursive: true });
  for (const name of ["etc/hosts", "etc/conf.d/a", "etc/conf.d/b", "usr/lib/lib.so", "usr/lib/deep/file", "top"]) {
    writeFileSync(join(parent, name), name);
  }
  symlinkSync("lib.so", join(parent, "usr", "lib", "lib.so.1"));
  linkSync(join(parent, "top"), join(parent, "usr", "top-again"));
  execFileSync("cp", ["-a", parent, join(top, "child")]);
  return { parent, child: join(top, "child"), top };
}

async function listed(child: string, parent?: string): Promise<string[]> {
  const top = MountedFolder.top(child);
  const parentTop = parent === undefined ? undefined : MountedFolder.top(parent);
  const found = await changes(top, parentTop);
  top.close();
  parentTop?.close();
  return found.map(({ kind, path }) => `${kind} ${path}`);
}

test("a copy differs in nothing", { skip }, async (t) => {
  const { parent, child } = pair(t);
  assert.deepEqual(await listed(child, parent), []);
});

test("without a parent everything is added", { skip }, async (t) => {
  const { child } = pair(t);
  const found = await listed(child);
  assert.equal(found.length, 13);
  assert.ok(found.every((line) => line.startsWith("A /")));
});

test("what differs is listed as docker diff does, folders with it", { skip }, async (t) => {
  const { parent, child } = pair(t);
  writeFileSync(join(child, "etc", "hosts"), "changed, longer");
  writeFileSync(join(child, "etc", "new"), "");
  rmSync(join(child, "etc", "conf.d"), { recursive: true });
  mkdirSync(join(child, "added", "inner"), { recursive: true });
  writeFileSync(join(child, "added-beside"), "");
  writeFileSync(join(child, "usr", "lib", "deep", "more"), "");
  assert.deepEqual(await listed(child, parent), [
    "A /added",
    "A /added-beside",
    "A /added/inner",
    "C /etc",
    "D /etc/conf.d",
    "C /etc/hosts",
    "A /etc/new",
    "C /usr",
    "C /usr/lib",
    "C /usr/lib/deep",
    "A /usr/lib/deep/more",
  ]);
});

test("each attribute counts, and a folder's time alone does not", { skip }, async (t) => {
  const { parent, child } = pair(t);
  chmodSync(join(child, "top"), 0o600);
  chownSync(join(child, "etc", "conf.d", "a"), 5, 6);
  utimesSync(join(child, "etc", "conf.d", "b"), 1, 1);
  execFileSync("setfattr", ["-n", "user.x", "-v", "1", join(child, "usr", "lib", "lib.so")]);
  rmSync(join(child, "usr", "lib", "lib.so.1"));
  symlinkSync("other!", join(child, "usr", "lib", "lib.so.1"));
  utimesSync(join(child, "usr", "lib", "deep"), 1, 1);
  assert.deepEqual(await listed(child, parent), [
    "C /etc",
    "C /etc/conf.d",
    "C /etc/conf.d/a",
    "C /etc/conf.d/b",
    "C /top",
    "C /usr",
    "C /usr/lib",
    "C /usr/lib/lib.so",
    "C /usr/lib/lib.so.1",
    "C /usr/top-again",
  ]);
});

test(
  "a change that hides behind the same size and time is found; one that was taken back is none",
  { skip },
  async (t) => {
    const { parent, child } = pair(t);
    const hidden = join(child, "etc", "hosts");
    execFileSync("sh", [
      "-c",
      `cp -a "$1" "$1.old"; printf ETC/hosts > "$1"; touch -r "$1.old" "$1"; rm "$1.old"`,
      "sh",
      hidden,
    ]);
    chmodSync(join(child, "top"), 0o600);
    chmodSync(join(child, "top"), 0o644);
    assert.deepEqual(await listed(child, parent), ["C /etc", "C /etc/hosts"]);
  },
);

test("another kind of file in a place is a change, and what a folder held goes with it", { skip }, async (t) => {
  const { parent, child } = pair(t);
  rmSync(join(child, "etc"), { recursive: true });
  writeFileSync(join(child, "etc"), "now a file");
  rmSync(join(child, "top"));
  mkdirSync(join(child, "top", "x"), { recursive: true });
  assert.deepEqual(await listed(child, parent), ["C /etc", "C /top", "A /top/x"]);
});

test("names that are not UTF-8 are told apart", { skip }, async (t) => {
  const { parent, child } = pair(t);
  writeFileSync(Buffer.concat([Buffer.from(`${child}/`), Buffer.from([0x66, 0xe9])]), "1");
  writeFileSync(Buffer.concat([Buffer.from(`${parent}/`), Buffer.from([0x66, 0xe8])]), "2");
  assert.deepEqual(await listed(child, parent), ["D /f\ufffd", "A /f\ufffd"]);
});

test("the size of a diff is that of its files, each once", { skip }, (t) => {
  const { parent, child } = pair(t);
  writeFileSync(join(child, "one"), "x".repeat(1000));
  linkSync(join(child, "one"), join(child, "two"));
  rmSync(join(child, "etc"), { recursive: true });
  assert.equal(diffSize(openTop(t, child), openTop(t, parent)), 1000);
});

/** Changes of all sorts, as a container would make them. */
function change(child: string): void {
  writeFileSync(join(child, "etc", "hosts"), "new");
  rmSync(join(child, "etc", "conf.d", "a"));
  renameSync(join(child, "usr", "lib", "deep"), join(child, "usr", "moved"));
  mkdirSync(join(child, "var", "empty"), { recursive: true });
  writeFileSync(join(child, "var", "first"), "linked");
  linkSync(join(child, "var", "first"), join(child, "var", "second"));
  symlinkSync("../..", join(child, "var", "up"));
  writeFileSync(join(child, "var", "large"), Buffer.alloc(1_000_001, 7));
  execFileSync("mknod", [join(child, "var", "null"), "c", "1", "3"]);
  execFileSync("mkfifo", [join(child, "var", "pipe")]);
  writeFileSync(join(child, "var", "p".repeat(150)), "long name");
  execFileSync("setcap", ["cap_net_raw+ep", join(child, "usr", "lib", "lib.so")]);
  writeFileSync(Buffer.from(join(child, "var", "latin-\xe9"), "latin1"), "not utf8");
  chownSync(join(child, "top"), 3_000_000, 70_000);
  rmSync(join(child, "usr", "top-again"));
}

test("a diff applied to the parent gives the child", { skip }, async (t) => {
  const { parent, child } = pair(t);
  change(child);
  const applied = await applyLayer(packDiff(openTop(t, child), openTop(t, parent)), parent);
  // The time of a folder that only lost something is not in the layer.
  assert.deepEqual(describeTree(parent, { folderTimes: false }), describeTree(child, { folderTimes: false }));
  assert.equal(applied.contentBytes, diffSize(openTop(t, child), openTop(t, parent)) + applied.contentBytes);
  assert.deepEqual(await listed(child, parent), []);
});

test("the same trees give the same tar", { skip }, async (t) => {
  const { parent, child, top } = pair(t);
  change(child);
  execFileSync("cp", ["-a", child, join(top, "child2")]);
  assert.equal(
    await text(packDiff(openTop(t, join(top, "child2")), openTop(t, parent))),
    await text(packDiff(openTop(t, child), openTop(t, parent))),
  );
});

test("a tar of a whole tree is what GNU tar makes of it, and it reads it", { skip }, async (t) => {
  const { child, top } = pair(t);
  change(child);
  const target = join(top, "target");
  mkdirSync(target);
  await applyLayer(packTree(openTop(t, child)), target);
  assert.deepEqual(describeTree(target), describeTree(child));
  const byTar = join(top, "by-tar");
  mkdirSync(byTar);
  const tar = Buffer.from(await text(packTree(openTop(t, child)).setEncoding("latin1")), "latin1");
  execFileSync("tar", ["-x", "--xattrs", "--xattrs-include=*", "-C", byTar], {
    input: tar,
    stdio: ["pipe", "pipe", "ignore"],
  });
  assert.deepEqual(describeTree(byTar), describeTree(child));
});

test("a socket is left out; a name that would be a whiteout is refused in a layer", { skip }, async (t) => {
  const { parent, child } = pair(t);
  execFileSync("python3", [
    "-c",
    `import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])`,
    join(child, "sock"),
  ]);
  assert.equal((await text(packDiff(openTop(t, child), openTop(t, parent)))).includes("sock"), false);
  writeFileSync(join(child, ".wh.top"), "");
  await assert.rejects(text(packDiff(openTop(t, child), openTop(t, parent))), {
    name: "LayerError",
    message: /'\.wh\.top'.*rename/,
  });
});

test("a folder that is swapped for a link while it is walked is not followed", { skip }, async (t) => {
  const { child, top } = pair(t);
  const secret = join(top, "secret");
  mkdirSync(secret);
  writeFileSync(join(secret, "file"), "secret");
  const stream = packTree(openTop(t, child));
  // The walk holds folders open by the time it names them; swap one below that it has yet to reach.
  renameSync(join(child, "usr", "lib"), join(top, "away"));
  symlinkSync(secret, join(child, "usr", "lib"));
  assert.equal((await text(stream)).includes("usr/lib/file"), false);
  assert.deepEqual(readdirSync(secret), ["file"]);
});
