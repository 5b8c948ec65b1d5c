import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import type { BlockSource } from "../block-source.ts";
import type { TreeFolder } from "../file-tree.ts";
import { cannotMount, makeImage, mountImage } from "../testing/ext4-image.ts";
import { populate } from "../testing/populate.ts";
import { openExt4 } from "./ext4-tree.ts";

/** An image in memory, which notes what is read of it. */
class MemorySource implements BlockSource {
  readonly sizeBytes: number;
  readonly reads: { position: number; length: number }[] = [];
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.sizeBytes = bytes.length;
  }

  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    assert.ok(position >= 0 && position + length <= this.bytes.length, "no read is outside of the source");
    this.reads.push({ position, length });
    buffer.set(this.bytes.subarray(position, position + length), bufferOffset);
  }
}

/** Asks for all there is, but for the middle of files: a damaged size may be that of a file of many terabytes. */
function readEverything(source: BlockSource, onEntry: () => void): void {
  const buffer = Buffer.alloc(1 << 16);
  const readFolder = (folder: TreeFolder): void => {
    for (const name of folder.names()) {
      onEntry();
      const stats = folder.stat(name)!;
      folder.xattrs(name);
      if (stats.isSymbolicLink()) folder.readLink(name);
      if (stats.isDirectory()) readFolder(folder.folder(name));
      if (stats.isFile()) {
        const file = folder.openFile(name);
        file.read(buffer, 0, buffer.length, 0);
        file.read(buffer, 0, buffer.length, Math.max(0, file.sizeBytes - 5000));
      }
    }
  };
  readFolder(openExt4(source).top());
}

/** What a damaged image may answer: all of it, or a clear error. */
function survives(bytes: Buffer): "read" | "refused" {
  let entries = 0;
  try {
    readEverything(new MemorySource(bytes), () => assert.ok(++entries < 100_000, "the walk ends"));
    return "read";
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.ok(["FileSystemDamage", "UnsupportedFileSystem"].includes(error.name), error.stack);
    assert.match(error.message, /^Cannot (read the (ext4 )?file system|replay the journal).*: .*\d/);
    return "refused";
  }
}

/** The same numbers in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function populatedImage(t: TestContext, mkfs: string[]): string {
  const image = makeImage(t, 32, ["mke2fs", "-q", "-F", "-t", "ext4", ...mkfs]);
  const mounted = mountImage(t, image, "ext4");
  populate(mounted.point, { many: 300, unwritten: false });
  mounted.unmount();
  return image;
}

for (const { name, mkfs } of [
  { name: "with extents", mkfs: ["-b", "1024"] },
  { name: "with block maps", mkfs: ["-b", "1024", "-O", "^extent,^64bit"] },
  { name: "with inline data", mkfs: ["-b", "4096", "-O", "inline_data", "-I", "256"] },
]) {
  test(
    `a file system ${name} that is damaged anywhere is read, or refused with a reason`,
    { skip: cannotMount },
    (t) => {
      const bytes = readFileSync(populatedImage(t, mkfs));
      const whole = new MemorySource(bytes);
      readEverything(whole, () => undefined);
      const structures = whole.reads.filter(({ length }) => length <= 4096);
      const random = numbers(3);
      const outcomes = { read: 0, refused: 0 };
      for (let round = 0; round < 400; round++) {
        const undo: [number, number][] = [];
        for (let flips = 1 + random(4); flips > 0; flips--) {
          const { position, length } = structures[random(structures.length)];
          const at = position + random(length);
          undo.push([at, bytes[at]]);
          bytes[at] = [0, 0xff, bytes[at] ^ (1 << random(8)), random(256)][random(4)];
        }
        outcomes[survives(bytes)]++;
        for (const [at, value] of undo.reverse()) bytes[at] = value;
      }
      // Whole blocks of zeroes, of ones, and of another block's content.
      for (const { position, length } of structures.filter((_, index) => index % 7 === 0)) {
        const saved = Buffer.from(bytes.subarray(position, position + length));
        const other = structures[random(structures.length)];
        for (const fill of ["zeroes", "ones", "other"]) {
          if (fill === "other")
            bytes.copyWithin(position, other.position, other.position + Math.min(length, other.length));
          else bytes.fill(fill === "ones" ? 0xff : 0, position, position + length);
          outcomes[survives(bytes)]++;
          saved.copy(bytes, position);
        }
      }
      assert.ok(outcomes.read > 10 && outcomes.refused > 10, JSON.stringify(outcomes));
      assert.equal(survives(bytes), "read");
    },
  );
}

test("a folder that holds itself, or is in two places, is refused", { skip: cannotMount }, (t) => {
  for (const [target, link] of [
    ["/a", "/a/b/c/loop"],
    ["/a/b/c", "/a/b/again"],
    ["/a/b/c", "/elsewhere"],
    ["/", "/a/top"],
  ]) {
    const image = populatedImage(t, ["-b", "1024"]);
    execFileSync("debugfs", ["-w", "-R", `link ${target} ${link}`, image], { stdio: "ignore" });
    assert.throws(() => readEverything(new MemorySource(readFileSync(image)), () => undefined), {
      name: "FileSystemDamage",
      message: /inode \d+: (this folder is in inode|.* are the same folder)/,
    });
  }
});

test("an extent tree that leads back into itself is refused", { skip: cannotMount }, (t) => {
  const bytes = readFileSync(populatedImage(t, ["-b", "1024"]));
  let nodes = 0;
  for (let at = 0; at < bytes.length; at += 1024) {
    if (bytes.readUInt16LE(at) !== 0xf30a || bytes.readUInt16LE(at + 6) !== 0) continue;
    nodes++;
    bytes.writeUInt16LE(1, at + 6);
    bytes.writeUInt32LE(at / 1024, at + 12 + 4);
    bytes.writeUInt16LE(0, at + 12 + 8);
  }
  assert.ok(nodes > 0);
  assert.throws(() => readEverything(new MemorySource(bytes), () => undefined), {
    message: /inode \d+, extent tree block \d+: it is at depth 1, deeper than 0/,
  });
});

test("what is no file system, or one that cannot be read, is refused by name", { skip: cannotMount }, (t) => {
  const refuses = (bytes: Buffer, message: RegExp): void => {
    assert.throws(() => openExt4(new MemorySource(bytes)), { name: "UnsupportedFileSystem", message });
  };
  refuses(Buffer.alloc(0), /no ext4/);
  refuses(Buffer.alloc(1 << 20), /no ext4/);
  for (const [feature, message] of [
    ["encrypt", /encrypt.*kernel/],
    ["journal_dev", /external journal/],
  ] as const) {
    refuses(readFileSync(makeImage(t, 8, ["mke2fs", "-q", "-F", "-t", "ext4", "-O", feature])), message);
  }
  const image = readFileSync(makeImage(t, 8, ["mke2fs", "-q", "-F", "-t", "ext4"]));
  assert.throws(() => openExt4(new MemorySource(image.subarray(0, 4 << 20))), {
    name: "FileSystemDamage",
    message: /superblock: it says that there are 8192 blocks of 1024 bytes; the device has 4194304 bytes/,
  });
  const unknown = Buffer.from(image);
  unknown[1024 + 0x63] |= 0x80;
  refuses(unknown, /unknown features 0x80000000/);
});
