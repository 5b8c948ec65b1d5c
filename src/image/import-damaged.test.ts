import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { craftTar } from "../layer/testing/craft-tar.ts";
import { hexOf, sha256 } from "./digest.ts";
import { dockerArchive, makeImage, writeOciLayout } from "./testing/make-images.ts";
import { openFolderStore } from "./testing/open-folder-store.ts";

const skip = process.getuid?.() === 0 ? false : "needs root: unpacking is confined by chroot";

const base = {
  entries: [
    { name: "bin/sh", content: "shell" },
    { name: "etc/motd", content: "base" },
  ],
};
const app = { entries: [{ name: "app", content: "app" }, { name: "etc/.wh.motd" }] };
const image = makeImage([
  { ...base, compression: "gzip" },
  { ...app, compression: "zstd" },
]);

function leftovers(top: string): string[] {
  return ["pending", "tmp", "layers", "images"].flatMap((folder) => readdirSync(join(top, "graph", "image", folder)));
}

async function refused(t: TestContext, source: string | Buffer, error: object, name = "x"): Promise<void> {
  const { store, devices, top } = await openFolderStore(t);
  const options = typeof source === "string" ? {} : { stdin: Readable.from([source]) };
  await assert.rejects(store.import(name, typeof source === "string" ? source : "-", options), error);
  assert.deepEqual(devices.ids(), []);
  assert.deepEqual(leftovers(top), []);
  assert.deepEqual(await store.images(), []);
}

test("what is damaged, missing or no image is refused and leaves nothing", { skip }, async (t) => {
  const { top } = await openFolderStore(t);
  let count = 0;
  const layout = (change: (folder: string) => void, of = image): string => {
    const folder = writeOciLayout(join(top, `layout-${count++}`), [of]);
    change(folder);
    return folder;
  };
  const blobPath = (folder: string, digest: string): string => join(folder, "blobs", "sha256", hexOf(digest));
  const edit = (path: string, at: number): void => {
    const bytes = readFileSync(path);
    bytes[at] ^= 1;
    writeFileSync(path, bytes);
  };
  const swapped = makeImage([base]);
  const wrongDiffId = { ...swapped, layers: swapped.layers.map((layer) => ({ ...layer })) };
  const cases: [string, string | Buffer, object][] = [
    [
      "a changed upper layer",
      layout((f) => edit(blobPath(f, image.layers[1].digest), 40)),
      { message: /layer 2 of 2/ },
    ],
    [
      "a changed manifest",
      layout((f) => edit(blobPath(f, sha256(image.manifest)), 5)),
      { code: "damaged", message: /digest/ },
    ],
    ["a changed configuration", layout((f) => edit(blobPath(f, image.id), 5)), { message: /should have digest/ }],
    [
      "a cut layer",
      layout((f) => writeFileSync(blobPath(f, image.layers[0].digest), "x")),
      { message: /bytes and has 1/ },
    ],
    [
      "a missing layer",
      layout((f) => execFileSync("rm", [blobPath(f, image.layers[0].digest)])),
      { message: /has no blobs\/sha256/ },
    ],
    [
      "a huge index",
      layout((f) => execFileSync("truncate", ["-s", "5G", join(f, "index.json")])),
      { message: /5368709120 bytes, more than/ },
    ],
    [
      "an index that is no JSON",
      layout((f) => writeFileSync(join(f, "index.json"), "{")),
      { message: /index\.json.*not JSON/ },
    ],
    [
      "an index of the wrong form",
      layout((f) => writeFileSync(join(f, "index.json"), '{"manifests":[{"digest":"sha256:zz"}]}')),
      { message: /manifests\.0\.digest: not a digest/ },
    ],
    [
      "an index without images",
      layout((f) => writeFileSync(join(f, "index.json"), '{"manifests":[]}')),
      { message: /no image in it/ },
    ],
    [
      "a hostile layer",
      dockerArchive([{ image: makeImage([base, { entries: [{ name: "../evil" }] }]), tags: null }]),
      { message: /layer 2 of 2 of standard input.*'\.\.\/evil'/ },
    ],
    [
      "a manifest without its layers",
      craftTar([{ name: "manifest.json", content: '[{"Config":"c.json","Layers":["l.tar"]}]' }]),
      { message: /has no c\.json/ },
    ],
    [
      "a configuration of another name",
      (() => {
        const tar = dockerArchive([{ image, tags: null }]);
        const at = tar.indexOf('"Cmd"');
        tar[at + 1] ^= 1;
        return tar;
      })(),
      { message: /does not have that digest/ },
    ],
    [
      "a name that leads out",
      craftTar([{ name: "manifest.json", content: '[{"Config":"../c.json","Layers":[]}]' }]),
      { message: /leads out/ },
    ],
    [
      "an archive of before Docker 1.10",
      craftTar([
        { name: "repositories", content: "{}" },
        { name: `${"a".repeat(64)}/layer.tar`, content: "x" },
      ]),
      { message: /older than 1\.10/ },
    ],
    [
      "a cut root file system",
      craftTar([{ name: "f", content: "x".repeat(2000) }]).subarray(0, 1000),
      { message: /ends too early|Truncated/ },
    ],
    [
      "one cut between entries",
      craftTar([{ name: "f" }], Buffer.alloc(0)),
      { code: "damaged", message: /no end mark/ },
    ],
    [
      "no tar",
      Buffer.from("#!/bin/sh\n".repeat(100)),
      { code: "invalid", message: /standard input.*Looked for an OCI image layout/ },
    ],
    ["nothing", Buffer.alloc(0), { message: /it is empty/ }],
    ["a cut gzip", gzipSync(dockerArchive([{ image, tags: null }])).subarray(0, 300), { message: /Cannot import/ }],
    ["a folder that is none", top, { message: /neither an OCI image layout/ }],
    ["a missing file", join(top, "nowhere"), { code: "not-found" }],
  ];
  for (const [what, source, error] of cases) await t.test(what, (inner) => refused(inner, source, error));
  await t.test("a diff ID that is not the layer's", async (inner) => {
    const config = Buffer.from(wrongDiffId.config.toString().replace(swapped.layers[0].diffId, sha256("other")));
    const manifest = Buffer.from(
      wrongDiffId.manifest
        .toString()
        .replace(swapped.id, sha256(config))
        .replace(/("size":)\d+/, `$1${config.length}`),
    );
    await refused(
      inner,
      writeOciLayout(join(top, "wrong"), [{ ...wrongDiffId, id: sha256(config), config, manifest }]),
      { message: /tar should have digest/ },
    );
  });
  for (const name of ["UPPER", "a//b", "-x", "a:b:c", "", "a@sha256:12"]) {
    await t.test(`the name '${name}'`, (inner) =>
      refused(
        inner,
        layout(() => undefined),
        { code: "invalid", message: /as an image's name/ },
        name,
      ),
    );
  }
});
