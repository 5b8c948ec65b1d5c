import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { openExt4 } from "../file-system/ext4/ext4-tree.ts";
import { FileBlockSource } from "../file-system/file-block-source.ts";
import type { TreeFolder } from "../file-system/file-tree.ts";
import { cannotMount, makeImage, mountImage, temporaryFolder } from "../file-system/testing/ext4-image.ts";
import { openTop } from "../file-system/testing/open-top.ts";
import { populate } from "../file-system/testing/populate.ts";
import { mountFlags } from "../linux/mount.ts";
import { applyLayer } from "./apply.ts";
import { changes } from "./changes.ts";
import { diffSize } from "./diff-size.ts";
import { packDiff, packTree } from "./pack.ts";
import { rebuildTar } from "./rebuild-tar.ts";

const mkfs = ["mke2fs", "-q", "-F", "-t", "ext4"];

function topOf(t: TestContext, image: string): TreeFolder {
  const source = new FileBlockSource(image);
  t.after(() => source.close());
  return openExt4(source).top();
}

test("layers of file systems that are not mounted are those of mounted ones", { skip: cannotMount }, async (t) => {
  const parentImage = makeImage(t, 64, mkfs);
  const mounted = mountImage(t, parentImage, "ext4");
  populate(mounted.point, { many: 200, unwritten: true });
  mounted.unmount();
  const childImage = join(temporaryFolder(t), "child");
  execFileSync("cp", ["--sparse=always", parentImage, childImage]);
  const changing = mountImage(t, childImage, "ext4");
  rmSync(join(changing.point, "a", "b"), { recursive: true });
  writeFileSync(join(changing.point, "file-1"), "now longer");
  chmodSync(join(changing.point, "file-59"), 0o600);
  mkdirSync(join(changing.point, "added", "deeper"), { recursive: true });
  symlinkSync("..", join(changing.point, "added", "up"));
  changing.unmount();

  const [child, parent] = [topOf(t, childImage), topOf(t, parentImage)];
  const [childMount, parentMount] = [childImage, parentImage].map((image) =>
    openTop(t, mountImage(t, image, "ext4", "", mountFlags.readOnly).point),
  );
  const expected = await changes(childMount, parentMount);
  assert.equal(expected.length, 7);
  assert.deepEqual(await changes(child, parent), expected);
  assert.equal(diffSize(child, parent), diffSize(childMount, parentMount));
  assert.ok((await buffer(packDiff(child, parent))).equals(await buffer(packDiff(childMount, parentMount))));
  assert.ok((await buffer(packTree(child))).equals(await buffer(packTree(childMount))));
});

test("a layer's tar is rebuilt from a file system that is not mounted", { skip: cannotMount }, async (t) => {
  const source = temporaryFolder(t);
  mkdirSync(join(source, "usr", "lib", "deep"), { recursive: true });
  symlinkSync("/usr/lib", join(source, "lib"));
  for (const name of ["usr/lib/a", "usr/lib/deep/b", "lib/c"]) writeFileSync(join(source, name), name.repeat(1000));
  const tar = execFileSync("tar", ["-c", "-C", source, "."]);
  const image = makeImage(t, 16, mkfs);
  const mounted = mountImage(t, image, "ext4");
  const record = join(temporaryFolder(t), "record");
  await applyLayer(Readable.from([tar]), mounted.point, { recordTo: record });
  mounted.unmount();
  assert.ok((await buffer(rebuildTar(record, topOf(t, image)))).equals(tar));
});

test("a path is looked up in a tree as in a root that a process has", { skip: cannotMount }, (t) => {
  const image = makeImage(t, 16, mkfs);
  const mounted = mountImage(t, image, "ext4");
  const { point } = mounted;
  mkdirSync(join(point, "a", "b"), { recursive: true });
  writeFileSync(join(point, "file"), "");
  writeFileSync(join(point, "a", "b", "file"), "");
  for (const [target, name] of [
    ["/a/b", "absolute"],
    ["..", "a/up"],
    ["../../../..", "a/b/out"],
    ["/file", "end"],
    ["self", "self"],
    ["b/../b/./", "a/winding"],
    ["nowhere", "dangling"],
  ]) {
    symlinkSync(target, join(point, name));
  }
  mounted.unmount();
  const trees = [openTop(t, mountImage(t, image, "ext4", "", mountFlags.readOnly).point), topOf(t, image)];
  const outcome = (tree: TreeFolder, path: string): string => {
    try {
      const opened = tree.openPath(path);
      const { ino } = opened.stat();
      opened.close();
      return `inode ${ino}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  };
  const paths = [
    "file",
    "/file",
    "./a//b/file",
    "absolute/file",
    "a/up/file",
    "a/b/out/file",
    "../../file",
    "a/winding/file",
  ];
  const refused = ["end", "self", "self/file", "dangling/file", "none", "none/file", "file/file", ""];
  for (const path of [...paths, ...refused]) assert.equal(outcome(trees[1], path), outcome(trees[0], path), path);
  for (const path of paths) assert.match(outcome(trees[1], path), /^inode/);
  for (const path of refused) assert.match(outcome(trees[1], path), /^E/);
});
