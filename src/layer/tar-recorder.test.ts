import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { openTop } from "../file-system/testing/open-top.ts";
import { applyLayer } from "./apply.ts";
import { rebuildTar } from "./rebuild-tar.ts";
import { TarRecorder } from "./tar-recorder.ts";
import { craftTar } from "./testing/craft-tar.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";

const skip = process.getuid?.() === 0 ? false : "needs root: unpacking is confined by chroot";

for (const format of ["gnu", "posix", "ustar", "v7"]) {
  test(`a tar in ${format} format is rebuilt byte for byte, trailing bytes too`, { skip }, async (t) => {
    const top = temporaryFolder(t);
    const source = join(top, "source");
    mkdirSync(join(source, "d"), { recursive: true });
    writeFileSync(join(source, "a"), randomBytes(100_003));
    writeFileSync(join(source, "d", "b"), "b");
    writeFileSync(join(source, "d", "empty"), "");
    symlinkSync("a", join(source, "l"));
    if (format !== "v7") writeFileSync(join(source, "d", "n".repeat(90)), "long");
    if (format === "posix" || format === "gnu") {
      writeFileSync(join(source, "d", "m".repeat(200)), "longer");
      execFileSync(
        "sh",
        ["-c", "for i in $(seq 30); do printf x | dd of=sparse bs=1 seek=$((i*200000)) conv=notrunc 2>/dev/null; done"],
        { cwd: source },
      );
    }
    const sparse = format === "posix" || format === "gnu" ? ["--sparse"] : [];
    execFileSync("tar", ["-c", ...sparse, `--format=${format}`, "-f", join(top, "tar"), "-C", source, "."]);
    const tar = Buffer.concat([readFileSync(join(top, "tar")), Buffer.from("trailing")]);
    const target = join(top, "target");
    mkdirSync(target);
    await applyLayer(Readable.from([tar]), target, { recordTo: join(top, "record") });
    assert.ok((await buffer(rebuildTar(join(top, "record"), openTop(t, target)))).equals(tar));
    assert.ok(readFileSync(join(top, "record")).length < 50_000, "contents are not kept twice");
  });
}

test("any cutting of the stream gives the same record", { skip }, async (t) => {
  const top = temporaryFolder(t);
  const tar = craftTar([
    { name: "x".repeat(150), content: "1" },
    { name: "b", content: "z".repeat(1500), pax: [["comment", Buffer.from("c".repeat(700))]] },
  ]);
  const records = [];
  for (const step of [1, 511, 512, 513, 100_000]) {
    const recorder = new TarRecorder(join(top, `record-${step}`));
    for (let offset = 0; offset < tar.length; offset += step) await recorder.write(tar.subarray(offset, offset + step));
    assert.deepEqual(await recorder.end(), { ended: true, duplicates: false });
    records.push(gunzipSync(readFileSync(join(top, `record-${step}`))).toString());
  }
  assert.equal(new Set(records).size, 1);
});

test("a name that comes twice is told; with contents kept such a tar is rebuilt too", { skip }, async (t) => {
  const top = temporaryFolder(t);
  const target = join(top, "target");
  mkdirSync(target);
  const tar = craftTar([
    { name: "twice", content: "first" },
    { name: "./twice", content: "second, longer" },
  ]);
  const record = join(top, "record");
  assert.equal((await applyLayer(Readable.from([tar]), target, { recordTo: record })).duplicates, true);
  await assert.rejects(buffer(rebuildTar(record, openTop(t, target))), {
    name: "LayerError",
    message: /'twice' is not as it was/,
  });
  await applyLayer(Readable.from([tar]), target, { recordTo: record, recordVerbatim: true });
  assert.ok((await buffer(rebuildTar(record, openTop(t, target)))).equals(tar));
});

test("a record of Docker's own is understood", { skip }, async (t) => {
  const top = temporaryFolder(t);
  writeFileSync(join(top, "file"), "content");
  const lines = [
    { type: 2, payload: Buffer.from("head").toString("base64"), position: 0 },
    { type: 1, name: "file", size: 7, payload: "e2nLOQDiCcQ=", position: 1 },
    { type: 1, name: "folder/", payload: null, position: 2 },
    { type: 2, payload: Buffer.from("tail").toString("base64"), position: 3 },
  ];
  writeFileSync(join(top, "record"), gzipSync(lines.map((line) => JSON.stringify(line)).join("\n") + "\n"));
  assert.equal((await buffer(rebuildTar(join(top, "record"), openTop(t, top)))).toString(), "headcontenttail");
});

test("a rebuilt tar takes no file from outside", { skip }, async (t) => {
  const top = temporaryFolder(t);
  const root = join(top, "root");
  mkdirSync(root);
  writeFileSync(join(top, "secret"), "secret!");
  symlinkSync("..", join(root, "up"));
  for (const name of ["up/secret", "../secret", join(top, "secret")]) {
    writeFileSync(join(top, "record"), gzipSync(JSON.stringify({ type: 1, name, size: 7, position: 0 }) + "\n"));
    await assert.rejects(buffer(rebuildTar(join(top, "record"), openTop(t, root))), { code: "ENOENT" });
  }
});
