import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { FileBlockSource } from "../file-block-source.ts";
import type { FileTree } from "../file-tree.ts";
import { describeTree, type TreeDescription } from "../testing/describe-tree.ts";
import { cannotMount, makeImage, mountImage } from "../testing/ext4-image.ts";
import { populate } from "../testing/populate.ts";
import { openExt4 } from "./ext4-tree.ts";

const kinds = [
  { name: "as mkfs makes a large one", mkfs: ["-t", "ext4", "-b", "4096"] },
  { name: "with blocks of 1 KiB", mkfs: ["-t", "ext4", "-b", "1024"] },
  { name: "with blocks of 2 KiB and inodes of 512 bytes", mkfs: ["-t", "ext4", "-b", "2048", "-I", "512"] },
  { name: "with inodes of 128 bytes", mkfs: ["-t", "ext4", "-b", "4096", "-I", "128"] },
  {
    name: "without extents, of 32 bits",
    mkfs: ["-t", "ext4", "-b", "4096", "-O", "^extent,^64bit,^flex_bg,^metadata_csum"],
  },
  { name: "with a block map of 1 KiB blocks", mkfs: ["-t", "ext4", "-b", "1024", "-O", "^extent,^64bit"] },
  { name: "with inline data", mkfs: ["-t", "ext4", "-O", "inline_data", "-b", "4096", "-I", "256"] },
  { name: "with inline data in large inodes", mkfs: ["-t", "ext4", "-O", "inline_data", "-I", "1024"] },
  { name: "with attributes in inodes", mkfs: ["-t", "ext4", "-O", "ea_inode"], attributeBytes: 30_000 },
  { name: "with big allocation", mkfs: ["-t", "ext4", "-O", "bigalloc", "-C", "65536"], many: 500 },
  { name: "with meta groups", mkfs: ["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"] },
  { name: "with few superblocks", mkfs: ["-t", "ext4", "-O", "sparse_super2,uninit_bg,^metadata_csum"] },
  {
    name: "with large folders and a checksum seed",
    mkfs: ["-t", "ext4", "-O", "large_dir,metadata_csum_seed"],
  },
  { name: "as Docker's mkfs options made it", mkfs: ["-t", "ext4", "-E", "nodiscard,lazy_itable_init=0"] },
  { name: "ext3", mkfs: ["-t", "ext3"], unwritten: false },
  { name: "ext2", mkfs: ["-t", "ext2"], unwritten: false },
];

/** Opens an image for the time of a test. */
function open(image: string): { tree: FileTree; close: () => void } {
  const source = new FileBlockSource(image);
  return { tree: openExt4(source), close: () => source.close() };
}

function describeImage(image: string): TreeDescription {
  const { tree, close } = open(image);
  const description = describeTree(tree.top());
  close();
  return description;
}

for (const { name, mkfs, unwritten, many, attributeBytes } of kinds) {
  test(`a file system ${name} is read as the kernel reads it`, { skip: cannotMount }, (t) => {
    const image = makeImage(t, 160, ["mke2fs", "-q", "-F", ...mkfs]);
    const mounted = mountImage(t, image, "ext4");
    populate(mounted.point, {
      many: many ?? 1500,
      unwritten: unwritten ?? !mkfs.join().includes("^extent"),
      attributeBytes,
    });
    // Free entries in its blocks, and blocks in use again by others.
    execFileSync("sh", ["-c", `cd "$1/many" && rm -f *7 *13*`, "sh", mounted.point]);
    execFileSync("sync", ["-f", mounted.point]);
    const expected = describeTree(mounted.point);
    mounted.unmount();
    assert.ok(Object.keys(expected).length > 400);
    assert.deepEqual(describeImage(image), expected);
  });
}
