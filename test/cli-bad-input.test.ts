import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { lacksRequirement, micaCommand, outcomeOf, run, scratchGraph, smallImage } from "./cli-support.ts";
import type { Scratch } from "./cli-support.ts";
import type { ImageSummary } from "../src/index.ts";

/** Python's tarfile writes what a well-behaved tar refuses to. */
async function hostileTar(file: string, entries: string): Promise<void> {
  const script = [
    "import io, sys, tarfile",
    "t = tarfile.open(sys.argv[1], 'w')",
    "def add(name, data=b'x', **fields):",
    "    i = tarfile.TarInfo(name)",
    "    for k, v in fields.items(): setattr(i, k, v)",
    "    i.size = 0 if 'type' in fields else len(data)",
    "    t.addfile(i, io.BytesIO(data))",
    entries,
    "t.close()",
  ].join("\n");
  const outcome = await run("python3", ["-c", script, file]);
  assert.equal(outcome.status, 0, outcome.stderr);
}

async function nothingLeft(scratch: Scratch): Promise<void> {
  assert.deepEqual(await scratch.json<ImageSummary[]>("images"), []);
  const devices = await scratch.json<{ kind: string }[]>("ls");
  assert.deepEqual(
    devices.map(({ kind }) => kind),
    ["base"],
    "a refused import leaves no device",
  );
  assert.equal(await scratch.ok("check"), "No problems found");
}

suite("bad input is refused with a clear message, and nothing is lost", () => {
  test("a truncated tar, plain and compressed, and something that is no tar", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    await smallImage(scratch.folder);
    const plain = join(scratch.folder, "plain.tar");
    const packed = join(scratch.folder, "packed.tgz");
    await run("tar", ["-C", join(scratch.folder, "lower"), "-cf", plain, "."]);
    await run("tar", ["-C", join(scratch.folder, "lower"), "-czf", packed, "."]);
    truncateSync(plain, 200_000);
    truncateSync(packed, 300);
    const noTar = join(scratch.folder, "notes.txt");
    writeFileSync(noTar, "These are notes, not an archive.\n".repeat(100));
    for (const file of [plain, packed, noTar, join(scratch.folder, "missing.tar")]) {
      const { status, stderr } = await scratch.mica("import", "bad", file);
      assert.equal(status, 1, `${file}: ${stderr}`);
      assert.match(stderr, /^mica: Cannot /, file);
      assert.ok(stderr.trim().split("\n").length <= 2, stderr);
    }
    await nothingLeft(scratch);
  });

  test("a layer whose content is not what its digest says", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const layout = await smallImage(scratch.folder);
    const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as { manifests: { digest: string }[] };
    const blob = (digest: string): string => join(layout, "blobs", digest.replace(":", "/"));
    const manifest = JSON.parse(readFileSync(blob(index.manifests[0].digest), "utf8")) as {
      layers: { digest: string }[];
    };
    const layer = blob(manifest.layers[1].digest);
    const bytes = readFileSync(layer);
    bytes[bytes.length - 5] ^= 0xff;
    writeFileSync(layer, bytes);
    const { status, stderr } = await scratch.mica("import", "bad", layout);
    assert.equal(status, 1);
    assert.match(stderr, /^mica: Cannot /);
    await nothingLeft(scratch);
  });

  test("a hostile tar cannot reach outside its layer", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const outside = join(scratch.folder, "outside");
    const attempts = {
      "dots.tar": `add('../../../../../../../../../../../..${outside}')`,
      "absolute.tar": `add('${outside}')`,
      "symlink.tar": `add('way', type=tarfile.SYMTYPE, linkname='${scratch.folder}')\nadd('way/outside')`,
      "hardlink.tar": `add('way', type=tarfile.LNKTYPE, linkname='../../../../../../..${scratch.folder}/secret')\nadd('way')`,
    };
    writeFileSync(join(scratch.folder, "secret"), "secret");
    for (const [name, entries] of Object.entries(attempts)) {
      const file = join(scratch.folder, name);
      await hostileTar(file, entries);
      const { status, stderr } = await scratch.mica("import", "hostile", file);
      assert.equal(existsSync(outside), false, `${name} wrote outside`);
      assert.equal(readFileSync(join(scratch.folder, "secret"), "utf8"), "secret");
      if (status === 0) await scratch.ok("rmi", "hostile");
      else assert.match(stderr, /^mica: Cannot /);
    }
    await nothingLeft(scratch);
  });

  test("damaged metadata is named, and nothing is made on top of it", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    await scratch.ok("import", "app", await smallImage(scratch.folder));
    await scratch.ok("shutdown");
    const metadata = join(scratch.root, "devicemapper/metadata");
    const superblock = readFileSync(metadata).subarray(0, 4096);
    const file = openSync(metadata, "r+");
    try {
      writeSync(file, Buffer.alloc(64, 0x5a), 0, 64, 100);
      for (const words of [["ls"], ["create", "app", "web"], ["info"]]) {
        const { status, stderr } = await scratch.mica(...words);
        assert.equal(status, 1, `mica ${words.join(" ")}`);
        assert.match(stderr, /superblock/i);
      }
      writeSync(file, superblock, 0, 4096, 0);
    } finally {
      closeSync(file);
    }
    assert.equal(await scratch.ok("check"), "No problems found");
    assert.equal((await scratch.json<ImageSummary[]>("images")).length, 1);
  });

  test("a block size that is not the pool's, and an option that the embedded device mapper has no such thing for", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    await scratch.ok("info");
    const other = await scratch.mica("--storage-opt", "dm.blocksize=128K", "info");
    assert.equal(other.status, 1);
    assert.match(other.stderr, /Cannot change dm\.blocksize/);
    const direct = await scratch.mica("--storage-opt", "dm.directlvm_device=/dev/null", "info");
    assert.notEqual(direct.status, 0);
    assert.match(direct.stderr, /dm\.directlvm_device/);
    assert.equal(await scratch.ok("check"), "No problems found");
  });

  test("names that mean nothing, or too much", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    await scratch.ok("import", "app", await smallImage(scratch.folder));
    await scratch.ok("create", "app", "web");
    for (const words of [
      ["create", "nothing"],
      ["create", "app", "web"],
      ["create", "app", "../etc"],
      ["create", "app", "tiny", "--size", "1M"],
      ["mount", "nobody"],
      ["umount", "nobody"],
      ["diff", "nobody"],
      ["commit", "nobody", "x"],
      ["export", "nobody"],
      ["save", "nothing", join(scratch.folder, "x.tar")],
      ["status", "nothing"],
      ["attach", "nothing"],
      ["import", "UPPER CASE!", join(scratch.folder, "layout")],
    ]) {
      const { status, stderr, stdout } = await scratch.mica("--json", ...words);
      assert.equal(status, 1, `mica ${words.join(" ")}: ${stderr}`);
      const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
      assert.match(error.message, /^Cannot /);
      assert.match(error.code, /^[A-Za-z_-]+$/);
      assert.equal(stdout, "");
    }
    assert.equal(existsSync(join(scratch.folder, "x.tar")), false);
  });
});

suite("a machine that lacks something", () => {
  test("no root", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const words = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, micaCommand];
    const { status, stderr } = await outcomeOf(spawn("setpriv", [...words, "--root", scratch.root, "info"]));
    assert.equal(status, 1);
    assert.match(stderr, /needs root.*sudo/);
  });

  for (const [device, remedy] of [
    ["/dev/fuse", /\/dev\/fuse.*modprobe fuse/],
    ["/dev/loop-control", /\/dev\/loop-control.*modprobe loop/],
  ] as const) {
    test(`no ${device}`, async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = scratchGraph(t);
      // In a mount namespace of its own the device is hidden behind a file that is not one.
      const script = `mount --bind /dev/null ${device} && exec "$@"`;
      const words = ["-m", "--propagation", "private", "sh", "-c", script, "sh", process.execPath, micaCommand];
      const { status, stderr } = await outcomeOf(spawn("unshare", [...words, "--root", scratch.root, "info"]));
      assert.equal(status, 1);
      assert.match(stderr, remedy);
      assert.equal(existsSync(scratch.root), false, "nothing was begun");
    });
  }
});
