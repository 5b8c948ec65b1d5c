import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  createReadStream,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import { makeFifo, makeNode, setTimes } from "../linux/special-files.ts";
import { applyLayer, type ApplyOptions } from "./apply.ts";
import { craftTar, type CraftedEntry } from "./testing/craft-tar.ts";
import { describeTree } from "../file-system/testing/describe-tree.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";

const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : "needs root: unpacking is confined by chroot";

function folders(t: TestContext): { source: string; target: string; top: string } {
  const top = temporaryFolder(t);
  const source = join(top, "source");
  const target = join(top, "target");
  mkdirSync(source);
  mkdirSync(target);
  return { source, target, top };
}

function apply(entries: CraftedEntry[], target: string, options?: ApplyOptions): ReturnType<typeof applyLayer> {
  return applyLayer(Readable.from([craftTar(entries)]), target, options);
}

/** Files of every kind, with every attribute that a layer keeps. */
function makeRichTree(root: string): void {
  writeFileSync(join(root, "plain"), "content");
  writeFileSync(join(root, "empty"), "");
  writeFileSync(join(root, "setuid"), "x", { mode: 0o644 });
  execFileSync("chown", ["1234:567890123", join(root, "setuid")]);
  execFileSync("chmod", ["6755", join(root, "setuid")]);
  mkdirSync(join(root, "folder", "inner"), { recursive: true });
  execFileSync("chmod", ["1777", join(root, "folder")]);
  writeFileSync(join(root, "folder", "inner", "file"), "deep");
  linkSync(join(root, "plain"), join(root, "folder", "hard"));
  symlinkSync("/etc/passwd", join(root, "absolute-link"));
  symlinkSync("../../nowhere", join(root, "folder", "dangling"));
  linkSync(join(root, "absolute-link"), join(root, "hard-to-link"));
  makeFifo(join(root, "pipe"), 0o640);
  makeNode(join(root, "null"), 0o020666, 1, 3);
  makeNode(join(root, "disk"), 0o060660, 259, 65537);
  const long = "n".repeat(120);
  mkdirSync(join(root, long, long, long), { recursive: true });
  writeFileSync(join(root, long, long, long, "file-with-a-long-path"), "long");
  symlinkSync("t".repeat(300), join(root, "long-link"));
  writeFileSync(join(root, "naïve-😀"), "utf8");
  writeFileSync(Buffer.from(join(root, "latin-\xe9"), "latin1"), "not utf8");
  writeFileSync(join(root, "ping"), "program");
  execFileSync("setcap", ["cap_net_raw+ep", join(root, "ping")]);
  execFileSync("setfattr", ["-n", "user.note", "-v", "0sAAECA/8=", join(root, "plain")]);
  execFileSync("setfattr", ["-n", "user.on-folder", "-v", "yes", join(root, "folder")]);
  execFileSync("setfattr", ["-n", "trusted.mark", "-v", "1", join(root, "folder", "inner")]);
  const sparse = openSync(join(root, "sparse"), "w");
  for (let index = 0; index < 60; index++) writeSync(sparse, `piece ${index}`, index * 300_000);
  ftruncateSync(sparse, 20_000_000);
  closeSync(sparse);
  setTimes(join(root, "plain"), 5n, 1_234_567_890_123_456_789n);
  setTimes(join(root, "absolute-link"), 5n, 1_000_000_000_000_000_007n);
  setTimes(join(root, "empty"), 5n, -3_000_000_000n);
  setTimes(join(root, "folder", "inner"), 5n, 1_111_111_111_000_000_001n);
  setTimes(join(root, "folder"), 5n, 1_111_111_111_500_000_000n);
}

for (const { format, compressor } of [
  { format: "posix", compressor: "cat" },
  { format: "posix", compressor: "gzip" },
  { format: "posix", compressor: "zstd" },
  { format: "gnu", compressor: "xz" },
  { format: "gnu", compressor: "bzip2" },
] as const) {
  test(`a tree of all kinds of files survives tar --format=${format} | ${compressor}`, { skip }, async (t) => {
    const { source, target, top } = folders(t);
    makeRichTree(source);
    const options = ["--sparse", "--acls", "--xattrs", "--xattrs-include=*", `--format=${format}`];
    // In the GNU format a time has no fraction and an attribute no place.
    if (format === "gnu") {
      options.splice(1, 3);
      execFileSync("sh", ["-c", `setfattr -x user.note plain; setfattr -x user.on-folder folder; setcap -r ping`], {
        cwd: source,
      });
      execFileSync("setfattr", ["-x", "trusted.mark", join(source, "folder", "inner")]);
    }
    const tar = join(top, "tar");
    execFileSync("sh", ["-c", `tar -c ${options.join(" ")} -C "$1" . | ${compressor} > "$2"`, "sh", source, tar]);
    const plainTar = execFileSync(compressor, compressor === "cat" ? [tar] : ["-dc", tar], { maxBuffer: 1 << 26 });

    const applied = await applyLayer(createReadStream(tar), target);

    const expected = describeTree(source);
    if (format === "gnu") for (const path of Object.keys(expected)) expected[path] = withoutFraction(expected[path]);
    assert.deepEqual(describeTree(target), expected);
    assert.equal(applied.tarBytes, plainTar.length);
    assert.equal(applied.blobBytes, statSync(tar).size);
    assert.equal(applied.diffId, `sha256:${execFileSync("sha256sum", { input: plainTar }).toString().slice(0, 64)}`);
    assert.equal(applied.blobDigest, `sha256:${execFileSync("sha256sum", [tar]).toString().slice(0, 64)}`);
    assert.equal(applied.ended, true);
    assert.ok(statSync(join(target, "sparse")).blocks * 512 < 1_000_000, "the sparse file takes little room");
    assert.equal(
      statSync(target).mtime.getTime(),
      statSync(source).mtime.getTime() - (format === "gnu" ? statSync(source).mtime.getMilliseconds() : 0),
    );
  });
}

function withoutFraction(facts: string): string {
  return facts.replace(/mtime (-?\d+)/, (_, time: string) => {
    const seconds = BigInt(time) / 1_000_000_000n;
    return `mtime ${seconds * 1_000_000_000n}`;
  });
}

test("access control lists come through, in either of their forms", { skip }, async (t) => {
  const { source, target, top } = folders(t);
  writeFileSync(join(source, "file"), "x");
  try {
    execFileSync("setfacl", ["-m", "u:1234:rwx", join(source, "file")]);
  } catch {
    // No setfacl, or no ACLs here: the attribute form alone.
  }
  execFileSync("tar", ["-c", "--acls", "--format=posix", "-f", join(top, "acl.tar"), "-C", source, "."]);
  await applyLayer(createReadStream(join(top, "acl.tar")), target);
  assert.deepEqual(describeTree(target), describeTree(source));

  // POSIX ACL xattr, version 2: user rw, user 1234 rwx, group r, mask rwx, other r.
  const acl = Buffer.from(
    "02000000" + "01000600ffffffff" + "02000700d2040000" + "04000400ffffffff" + "10000700ffffffff" + "20000400ffffffff",
    "hex",
  );
  await apply(
    [{ name: "go", mode: 0o674, content: "x", pax: [["SCHILY.xattr.system.posix_acl_access", acl]] }],
    target,
  );
  assert.match(describeTree(target).go, /system\.posix_acl_access=02000000/);
});

test("a folder keeps its time though files are put into it later, also one of a layer below", { skip }, async (t) => {
  const { target } = folders(t);
  const time = 1_500_000_000_123_456_789n;
  await apply([{ name: "d/", type: "5", mtimeNs: 7_000_000_000n }, { name: "d/a" }], target);
  await apply(
    [{ name: "d/", type: "5", mtimeNs: time }, { name: "d/b" }, { name: "d/sub/", type: "5" }, { name: "d/sub/c" }],
    target,
  );
  assert.equal(lstatSync(join(target, "d"), { bigint: true }).mtimeNs, time);
  assert.deepEqual(readdirSync(join(target, "d")), ["a", "b", "sub"]);
});

test("whiteouts delete what the layers below have, wherever they stand in the tar", { skip }, async (t) => {
  const { target } = folders(t);
  await apply(
    [
      ...["gone", "kept", "replaced", "d/x", "d/y", "o/lower", "o/sub/lower", "r/lower"].map((name) => ({
        name,
        content: "lower",
      })),
      { name: "link-to-d", type: "2", linkName: "d" },
    ],
    target,
  );
  await apply(
    [
      { name: ".wh.gone" },
      { name: "replaced", content: "upper" },
      { name: ".wh.replaced" },
      { name: "d/.wh.x" },
      { name: ".wh.never-was" },
      { name: "missing/.wh.never-was" },
      { name: "o/upper", content: "upper" },
      { name: "o/sub/upper", content: "upper" },
      { name: "o/.wh..wh..opq" },
      { name: ".wh.link-to-d" },
      { name: "r/upper" },
      { name: ".wh.r" },
    ],
    target,
  );
  assert.deepEqual(Object.keys(describeTree(target)), [
    "d",
    "d/y",
    "kept",
    "o",
    "o/sub",
    "o/sub/upper",
    "o/upper",
    "r",
    "r/upper",
    "replaced",
  ]);
  assert.equal(readFileSync(join(target, "replaced"), "utf8"), "upper");
});

test("an opaque mark at the top empties all below", { skip }, async (t) => {
  const { target } = folders(t);
  await apply([{ name: "a/b" }, { name: "c" }], target);
  await apply([{ name: ".wh..wh..opq" }, { name: "new" }], target);
  assert.deepEqual(readdirSync(target), ["new"]);
});

test("AUFS's hard link store is used and left out", { skip }, async (t) => {
  const { target } = folders(t);
  await apply(
    [
      { name: ".wh..wh.aufs" },
      { name: ".wh..wh.plnk/", type: "5" },
      { name: ".wh..wh.plnk/12.34", content: "linked" },
      { name: "a", type: "1", linkName: ".wh..wh.plnk/12.34" },
      { name: "b", type: "1", linkName: ".wh..wh.plnk/12.34" },
    ],
    target,
  );
  assert.deepEqual(readdirSync(target), ["a", "b"]);
  assert.equal(readFileSync(join(target, "b"), "utf8"), "linked");
});

test("an entry takes the place of whatever another kind of file was there", { skip }, async (t) => {
  const { target } = folders(t);
  await apply(
    [
      { name: "full/deep/file" },
      { name: "file" },
      { name: "real/", type: "5" },
      { name: "link", type: "2", linkName: "real" },
      { name: "sl", type: "2", linkName: "file" },
    ],
    target,
  );
  await apply(
    [
      { name: "full", content: "now a file, and its content comes through" },
      { name: "file/", type: "5" },
      { name: "link/", type: "5", mode: 0o700 },
      { name: "link/inside" },
      { name: "sl", content: "not through the link" },
    ],
    target,
  );
  assert.equal(readFileSync(join(target, "full"), "utf8"), "now a file, and its content comes through");
  assert.ok(lstatSync(join(target, "file")).isDirectory());
  assert.ok(lstatSync(join(target, "link")).isDirectory());
  assert.deepEqual(readdirSync(join(target, "real")), []);
  assert.equal(readFileSync(join(target, "sl"), "utf8"), "not through the link");
});

test("absolute and untidy names are taken relative to the root", { skip }, async (t) => {
  const { target } = folders(t);
  await apply(
    [
      { name: "/abs//x/./y", content: "1" },
      { name: "a/../b", content: "2" },
      { name: "./c", content: "3" },
      { name: "/hard", type: "1", linkName: "/c" },
    ],
    target,
  );
  assert.deepEqual(readdirSync(target).sort(), ["abs", "b", "c", "hard"]);
  assert.equal(readFileSync(join(target, "hard"), "utf8"), "3");
  assert.equal(statSync(join(target, "abs")).mode & 0o777, 0o755);
});

test("an attribute that the file cannot have is left out with a warning", { skip }, async (t) => {
  const { target } = folders(t);
  const { warnings } = await apply(
    [{ name: "l", type: "2", linkName: "x", pax: [["SCHILY.xattr.user.note", Buffer.from("1")]] }, { name: "after" }],
    target,
  );
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /user\.note of 'l'/);
  assert.ok(existsSync(join(target, "after")));
});

test("a layer without entries is a layer", { skip }, async (t) => {
  const { target } = folders(t);
  assert.equal((await apply([], target)).contentBytes, 0);
  const empty = await applyLayer(Readable.from([]), target);
  assert.equal(empty.diffId, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("an abort ends it, and the process that unpacks", { skip }, async (t) => {
  const { target } = folders(t);
  const abort = new AbortController();
  async function* endless(): AsyncGenerator<Buffer> {
    yield craftTar([{ name: "huge", sizeBytes: 1 << 30 }], Buffer.alloc(0));
    for (let count = 0; ; count++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (count === 20) abort.abort();
      yield Buffer.alloc(1024);
    }
  }
  await assert.rejects(applyLayer(Readable.from(endless()), target, { signal: abort.signal }), { name: "AbortError" });
});
