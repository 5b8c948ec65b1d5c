import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { applyLayer } from "./apply.ts";
import { craftTar, type CraftedEntry } from "./testing/craft-tar.ts";
import { describeTree } from "../file-system/testing/describe-tree.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";

const skip = process.getuid?.() === 0 ? false : "needs root: unpacking is confined by chroot";

/** Where a breakout would land: beside the root, and at absolute places. */
interface Scene {
  target: string;
  outside: string;
}

const attacks: { name: string; entries: (scene: Scene) => CraftedEntry[]; error?: RegExp }[] = [
  { name: "../ in a name", entries: () => [{ name: "../outside/evil" }], error: /'\.\.\/outside\/evil': it leads out/ },
  { name: "../ deep in a name", entries: () => [{ name: "a/b/../../../outside/evil" }], error: /leads out/ },
  { name: "an absolute name with ..", entries: () => [{ name: "/../outside/evil" }], error: /leads out/ },
  { name: "nothing but ..", entries: () => [{ name: "..", type: "5" }], error: /leads out/ },
  { name: "an absolute name", entries: ({ outside }) => [{ name: `${outside}/evil` }] },
  {
    name: "a link out, then a file through it",
    entries: ({ outside }) => [{ name: "l", type: "2", linkName: outside }, { name: "l/evil" }],
    error: /'l\/evil'/,
  },
  {
    name: "a relative link out, then a file through it",
    entries: () => [{ name: "l", type: "2", linkName: "../outside" }, { name: "l/evil" }],
    error: /'l\/evil'/,
  },
  {
    name: "a link out, then a folder and a file through it",
    entries: ({ outside }) => [
      { name: "l", type: "2", linkName: outside },
      { name: "l/", type: "5" },
      { name: "l/evil" },
    ],
  },
  {
    name: "a link to a file outside, then that name written",
    entries: ({ outside }) => [
      { name: "l", type: "2", linkName: `${outside}/precious` },
      { name: "l", content: "overwritten" },
    ],
  },
  {
    name: "a hard link to a file outside, by ..",
    entries: () => [
      { name: "l", type: "1", linkName: "../outside/precious" },
      { name: "l", content: "overwritten" },
    ],
    error: /Cannot link 'l' to '\.\.\/outside\/precious': it leads out/,
  },
  {
    name: "a hard link to a file outside, absolute",
    entries: ({ outside }) => [{ name: "l", type: "1", linkName: `${outside}/precious` }],
    error: /'l'.*target/,
  },
  {
    name: "a hard link through a link out",
    entries: ({ outside }) => [
      { name: "d", type: "2", linkName: outside },
      { name: "l", type: "1", linkName: "d/precious" },
    ],
    error: /'l'/,
  },
  { name: "a whiteout of ..", entries: () => [{ name: ".wh..." }], error: /whiteout '\.wh\.\.\.': it names no entry/ },
  { name: "a whiteout of .", entries: () => [{ name: "a/.wh.." }], error: /names no entry/ },
  { name: "a whiteout of nothing", entries: () => [{ name: ".wh." }], error: /names no entry/ },
  {
    name: "a whiteout through a link out",
    entries: ({ outside }) => [{ name: "l", type: "2", linkName: outside }, { name: "l/.wh.precious" }],
  },
  {
    name: "an opaque mark through a link out",
    entries: ({ outside }) => [{ name: "l", type: "2", linkName: outside }, { name: "l/.wh..wh..opq" }],
  },
  { name: "a whiteout that leads out by ..", entries: () => [{ name: "../outside/.wh.precious" }], error: /leads out/ },
  {
    name: "a folder's time through a link that replaced it",
    entries: ({ outside }) => [
      { name: "d/", type: "5", mode: 0o777, mtimeNs: 1n },
      { name: ".wh.d" },
      { name: "d", type: "2", linkName: outside },
    ],
  },
  {
    name: "a name of one million bytes",
    entries: () => [{ name: "n/".repeat(500_000) + "x" }],
    error: /large|1MB/,
  },
  {
    name: "a name longer than the system takes",
    entries: () => [{ name: "x".repeat(300) }],
    error: /'xxx.*(?:name|long)/,
  },
  {
    name: "a root that is a file",
    entries: () => [{ name: "./", type: "2", linkName: "/etc" }],
    error: /not a folder/,
  },
  {
    name: "an owner out of range",
    entries: () => [{ name: "x", pax: [["uid", Buffer.from("4294967296")]] }],
    error: /owner 4294967296/,
  },
  {
    name: "a link to itself",
    entries: () => [{ name: "l", type: "2", linkName: "l" }, { name: "l/x" }],
    error: /'l\/x'/,
  },
  {
    name: "a name with a line break",
    entries: () => [{ name: "../a\nb\x1b[31m" }],
    error: /'\.\.\/a\\x0ab\\x1b\[31m'/,
  },
  { name: "an empty name", entries: () => [{ name: "" }], error: /Cannot/ },
];

for (const { name, entries, error } of attacks) {
  test(`hostile layer: ${name}`, { skip }, async (t) => {
    const top = temporaryFolder(t);
    const scene = { target: join(top, "target"), outside: join(top, "outside") };
    mkdirSync(scene.target);
    mkdirSync(scene.outside);
    writeFileSync(join(scene.outside, "precious"), "precious");
    const before = describeTree(scene.outside);

    const applying = applyLayer(Readable.from([craftTar(entries(scene))]), scene.target);

    if (error !== undefined) await assert.rejects(applying, { name: "LayerError", message: error });
    else await applying;
    assert.deepEqual(describeTree(scene.outside), before);
    assert.deepEqual(readdirSync(top).sort(), ["outside", "target"]);
  });
}

test("a device node in the way is replaced, never written to", { skip }, async (t) => {
  const target = temporaryFolder(t);
  await applyLayer(
    Readable.from([
      craftTar([
        { name: "sda", type: "4", device: { major: 254, minor: 0 } },
        { name: "sda", content: "not to the disk" },
        { name: "zero", type: "3", device: { major: 1, minor: 5 } },
        { name: "again", type: "1", linkName: "zero" },
        { name: "again", content: "a file" },
      ]),
    ]),
    target,
  );
  assert.ok(lstatSync(join(target, "sda")).isFile());
  assert.equal(readFileSync(join(target, "again"), "utf8"), "a file");
  assert.ok(lstatSync(join(target, "zero")).isCharacterDevice());
});

test("thousands of device nodes are just entries", { skip }, async (t) => {
  const target = temporaryFolder(t);
  const bomb = Array.from({ length: 2000 }, (_, minor) => ({
    name: `dev/d${minor}`,
    type: "4",
    device: { major: 7, minor },
  }));
  await applyLayer(Readable.from([craftTar(bomb)]), target);
  assert.equal(readdirSync(join(target, "dev")).length, 2000);
});

test("a file that says it is larger than any disk ends where the data ends", { skip }, async (t) => {
  const target = temporaryFolder(t);
  const tar = craftTar([{ name: "bomb", sizeBytes: 2 ** 52 }, { name: "x" }], Buffer.alloc(0));
  await assert.rejects(applyLayer(Readable.from([tar]), target), { message: /'bomb'.*Truncated/ });
});

test("a sparse file larger than any disk is refused or takes no room", { skip }, async (t) => {
  const target = temporaryFolder(t);
  const pax: [string, Uint8Array][] = [
    ["GNU.sparse.major", Buffer.from("1")],
    ["GNU.sparse.minor", Buffer.from("0")],
    ["GNU.sparse.name", Buffer.from("bomb")],
    ["GNU.sparse.realsize", Buffer.from(String(2n ** 62n))],
  ];
  const map = Buffer.alloc(512);
  map.write("1\n0\n0\n");
  const applied = applyLayer(Readable.from([craftTar([{ name: "GNUSparseFile.0/bomb", content: map, pax }])]), target);
  await applied.catch((error: unknown) => assert.match(String(error), /'bomb'/));
  const blocks = existsSync(join(target, "bomb")) ? lstatSync(join(target, "bomb")).blocks : 0;
  assert.ok(blocks < 1024);
});

test("a full file system is named as such, with the entry", { skip }, async (t) => {
  const target = join(temporaryFolder(t), "target");
  mkdirSync(target);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", target]);
  const tar = craftTar([
    { name: "small", content: "x" },
    { name: "large", content: Buffer.alloc(4 << 20, 1) },
  ]);
  try {
    await assert.rejects(applyLayer(Readable.from([tar]), target), { message: /'large'.*no space left/i });
  } finally {
    execFileSync("umount", [target]);
  }
});

const tar = craftTar(Array.from({ length: 50 }, (_, index) => ({ name: `file-${index}`, content: "x".repeat(5000) })));
for (const { name, blob, error } of [
  { name: "a tar cut inside a file", blob: tar.subarray(0, 100_000), error: /after entry 'file-\d+'|'file-\d+'/ },
  { name: "a tar cut inside a header", blob: tar.subarray(0, 5632 * 3 + 100), error: /Truncated|too early/ },
  { name: "a gzip cut short", blob: gzipSync(tar).subarray(0, 200), error: /gzip.*unexpected end.*cut short/ },
  { name: "a damaged gzip", blob: damaged(gzipSync(tar), 100), error: /inflate the layer \(gzip\)/ },
  { name: "a gzip with a wrong checksum", blob: damaged(gzipSync(tar), -7), error: /incorrect data check/ },
  { name: "a zstd cut short", blob: zstd().subarray(0, 100), error: /decompress: .*zstd/i },
  { name: "a damaged tar header", blob: damaged(tar, 5632 + 10), error: /Damaged|damaged header after entry 'file-0'/ },
  {
    name: "no tar at all",
    blob: Buffer.from("hello ".repeat(1000)),
    error: /damaged header at its start|Unrecognized/,
  },
]) {
  test(`damaged layer: ${name}`, { skip }, async (t) => {
    const folder = temporaryFolder(t);
    const target = join(folder, "target");
    mkdirSync(target);
    const applying = applyLayer(Readable.from(chunksOf(blob)), target, { recordTo: join(folder, "record") });
    await assert.rejects(applying, { name: "LayerError", message: error });
  });
}

test("an error of the source is the error", { skip }, async (t) => {
  const source = new Readable({ read: () => undefined });
  source.push(tar.subarray(0, 10_000));
  setTimeout(() => source.destroy(new Error("the disk is on fire")), 20);
  await assert.rejects(applyLayer(source, temporaryFolder(t)), { message: "the disk is on fire" });
});

function damaged(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] ^= 0xff;
  return copy;
}

function zstd(): Buffer {
  return execFileSync("zstd", ["-c"], { input: tar });
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += 4096) yield bytes.subarray(offset, offset + 4096);
}
