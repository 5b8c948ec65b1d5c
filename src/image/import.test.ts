import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { craftTar } from "../layer/testing/craft-tar.ts";
import { chainIds, hexOf, sha256 } from "./digest.ts";
import { hostPlatform } from "./platform.ts";
import type { Store } from "./store.ts";
import { descriptorOf, dockerArchive, makeImage, writeBlob, writeOciLayout } from "./testing/make-images.ts";
import { openFolderStore } from "./testing/open-folder-store.ts";
import type { ImportProgress } from "./types.ts";

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

/** The image's files as a container sees them. */
async function filesOf(store: Store, name: string): Promise<string[]> {
  const { id } = await store.create(name);
  const path = await store.mount(id);
  const files = execFileSync("find", [".", "-type", "f"], { cwd: path }).toString().split("\n").filter(Boolean).sort();
  await store.umount(id);
  await store.removeContainer(id);
  return files;
}

function leftovers(top: string): string[] {
  return ["pending", "tmp", "layers", "images"].flatMap((folder) => readdirSync(join(top, "graph", "image", folder)));
}

for (const { name, make } of [
  { name: "an OCI folder", make: (top: string) => writeOciLayout(join(top, "oci"), [image]) },
  {
    name: "an OCI archive",
    make: (top: string) => {
      execFileSync("tar", ["-cf", join(top, "oci.tar"), "-C", writeOciLayout(join(top, "oci"), [image]), "."]);
      return join(top, "oci.tar");
    },
  },
  {
    name: "a gzipped OCI archive",
    make: (top: string) => {
      execFileSync("tar", ["-czf", join(top, "oci.tgz"), "-C", writeOciLayout(join(top, "oci"), [image]), "."]);
      return join(top, "oci.tgz");
    },
  },
  {
    name: "a docker save archive",
    make: (top: string) => {
      writeFileSync(join(top, "docker.tar"), dockerArchive([{ image, tags: ["app:1"] }]));
      return join(top, "docker.tar");
    },
  },
  {
    name: "an unpacked docker save archive",
    make: (top: string) => {
      mkdirSync(join(top, "unpacked"));
      execFileSync("tar", ["-xC", join(top, "unpacked")], { input: dockerArchive([{ image, tags: ["app:1"] }]) });
      return join(top, "unpacked");
    },
  },
]) {
  test(`${name} is imported with its configuration byte for byte`, { skip }, async (t) => {
    const { store, devices, top } = await openFolderStore(t);
    const events: ImportProgress[] = [];
    const { id } = await store.import("app", make(top), { progress: (event) => events.push(event) });
    assert.equal(id, image.id);
    assert.ok(readFileSync(join(top, "graph", "image", "images", `${hexOf(id)}.json`)).equals(image.config));
    assert.deepEqual(await filesOf(store, "app"), ["./app", "./bin/sh"]);
    const [summary] = await store.images();
    assert.deepEqual(summary, {
      id,
      references: ["app:latest"],
      created: "2024-05-06T07:08:09Z",
      architecture: hostPlatform().architecture,
      os: "linux",
      sizeBytes: 12,
      layers: chainIds(image.layers.map(({ diffId }) => diffId)),
    });
    assert.equal(devices.ids().length, 2);
    assert.deepEqual(readdirSync(join(top, "graph", "image", "pending")), []);
    assert.deepEqual(readdirSync(join(top, "graph", "image", "tmp")), []);
    assert.equal(events.at(0)?.kind, "source");
    assert.equal(events.filter(({ kind }) => kind === "layer-done").length, 2);
    assert.deepEqual(await store.check(), []);
  });
}

for (const [how, wrap] of [
  ["as it is", (tar: Buffer) => tar],
  ["gzipped", (tar: Buffer) => gzipSync(tar)],
  ["by xz", (tar: Buffer) => execFileSync("xz", ["-c"], { input: tar })],
] as const) {
  test(`a root file system from standard input, ${how}`, { skip }, async (t) => {
    const { store } = await openFolderStore(t);
    const tar = craftTar([{ name: "./", type: "5", mode: 0o711 }, ...base.entries]);
    const { id } = await store.import("mine:1", "-", { stdin: Readable.from([wrap(tar)]) });
    assert.deepEqual(await filesOf(store, "mine:1"), ["./bin/sh", "./etc/motd"]);
    assert.deepEqual((await store.image(id)).layers, [sha256(tar)]);
  });

  test(`a docker save archive from standard input, ${how}`, { skip }, async (t) => {
    const { store, top } = await openFolderStore(t);
    const archive = wrap(dockerArchive([{ image, tags: null }]));
    assert.equal((await store.import("app", "-", { stdin: Readable.from([archive]) })).id, image.id);
    assert.deepEqual(readdirSync(join(top, "graph", "image", "tmp")), []);
  });
}

test("a root file system with names like an archive's is one still", { skip }, async (t) => {
  const { store, top } = await openFolderStore(t);
  const tar = craftTar([
    { name: "manifest.json", content: '{"name":"a web app"}' },
    { name: "blobs/x", content: "1" },
  ]);
  await store.import("web", "-", { stdin: Readable.from([tar]) });
  assert.deepEqual(await filesOf(store, "web"), ["./blobs/x", "./manifest.json"]);
  writeFileSync(join(top, "web.tar"), tar);
  await store.import("web", join(top, "web.tar"));
});

test("layers are shared between images, and told so", { skip }, async (t) => {
  const { store, devices, top } = await openFolderStore(t);
  const other = makeImage([base, { entries: [{ name: "other", content: "o" }] }]);
  await store.import("one", writeOciLayout(join(top, "one"), [image]));
  const events: ImportProgress[] = [];
  await store.import("two", writeOciLayout(join(top, "two"), [other]), { progress: (event) => events.push(event) });
  assert.equal(devices.ids().length, 3);
  assert.deepEqual(
    events.filter((event) => event.kind === "layer-done").map(({ shared }) => shared),
    [true, false],
  );
});

test("the same image imported several times at once", { skip }, async (t) => {
  const { store, devices, top } = await openFolderStore(t);
  const layout = writeOciLayout(join(top, "oci"), [image]);
  const made = await Promise.all(["a", "b", "c"].map((name) => store.import(name, layout)));
  assert.deepEqual(new Set(made.map(({ id }) => id)).size, 1);
  assert.equal(devices.ids().length, 2);
  assert.deepEqual((await store.images())[0].references, ["a:latest", "b:latest", "c:latest"]);
});

test("of several platforms this machine's is taken, or the one asked for", { skip }, async (t) => {
  const { store, top } = await openFolderStore(t);
  const foreign = { os: "linux", architecture: "s390y" };
  const other = makeImage([{ entries: [{ name: "foreign" }] }], foreign);
  const inner = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        descriptorOf(other.manifest, { platform: foreign }),
        descriptorOf(image.manifest, { platform: hostPlatform() }),
        descriptorOf(image.manifest, { platform: { os: "unknown", architecture: "unknown" } }),
      ],
    }),
  );
  const layout = writeOciLayout(
    join(top, "oci"),
    [image, other],
    [descriptorOf(inner, { mediaType: "application/vnd.oci.image.index.v1+json" })],
  );
  writeBlob(layout, inner);
  assert.equal((await store.import("host", layout)).id, image.id);
  assert.equal((await store.import("foreign", layout, { platform: "linux/s390y" })).id, other.id);
  await assert.rejects(store.import("x", layout, { platform: "linux/mips" }), {
    message: /no image for linux\/mips, only for linux\/s390y, linux\//,
  });
  await assert.rejects(store.import("x", layout, { platform: "what" }), { message: /Cannot use platform 'what'/ });
});

test("of several images in one source the one of the name is taken", { skip }, async (t) => {
  const { store, top } = await openFolderStore(t);
  const second = makeImage([base]);
  const named = (bytes: Buffer, name: string): object =>
    descriptorOf(bytes, { annotations: { "org.opencontainers.image.ref.name": name } });
  const layout = writeOciLayout(
    join(top, "oci"),
    [image, second],
    [named(image.manifest, "app:1"), named(second.manifest, "2")],
  );
  assert.equal((await store.import("app:1", layout)).id, image.id);
  assert.equal((await store.import("app:2", layout)).id, second.id);
  await assert.rejects(store.import("app:3", layout), { code: "ambiguous", message: /several images \(app:1, 2\)/ });
  const archive = dockerArchive([
    { image, tags: ["app:1"] },
    { image: second, tags: ["team/app:2"] },
  ]);
  const source = join(top, "two.tar");
  writeFileSync(source, archive);
  assert.equal((await store.import("team/app:2", source)).id, second.id);
  await assert.rejects(store.import("app:9", source), {
    code: "ambiguous",
    message: /several images \(app:1, team\/app:2\)/,
  });
});

test("an image of a name takes the name from the one before", { skip }, async (t) => {
  const { store, top } = await openFolderStore(t);
  const second = makeImage([base]);
  await store.import("app", writeOciLayout(join(top, "1"), [image]));
  await store.import("app", writeOciLayout(join(top, "2"), [second]));
  const references = Object.fromEntries((await store.images()).map((each) => [each.id, each.references]));
  assert.deepEqual(references, { [image.id]: [], [second.id]: ["app:latest"] });
  assert.equal((await store.image(`app@${sha256(second.manifest)}`)).id, second.id);
  assert.equal((await store.image(image.id.slice(7, 20))).id, image.id);
});

test("a tar with a file that comes twice can be saved all the same", { skip }, async (t) => {
  const { store, top } = await openFolderStore(t);
  const twice = makeImage([
    {
      entries: [
        { name: "f", content: "first" },
        { name: "f", content: "second!" },
      ],
    },
  ]);
  await store.import("twice", writeOciLayout(join(top, "oci"), [twice]));
  await store.save("twice", join(top, "saved.tar"));
  const other = await openFolderStore(t);
  assert.equal((await other.store.import("again", join(top, "saved.tar"))).id, twice.id);
});

test("an archive that skopeo wrote, and a link to a layer", { skip }, async (t) => {
  const { store, top } = await openFolderStore(t);
  const gzipped = makeImage([
    { ...base, compression: "gzip" },
    { ...app, compression: "gzip" },
  ]);
  const layout = writeOciLayout(join(top, "oci"), [gzipped]);
  execFileSync("skopeo", ["copy", "--quiet", `oci:${layout}`, `docker-archive:${join(top, "skopeo.tar")}:app:1`]);
  execFileSync("skopeo", ["copy", "--quiet", `oci:${layout}`, `oci-archive:${join(top, "skopeo-oci.tar")}`]);
  await store.import("one", join(top, "skopeo.tar"));
  assert.deepEqual(await filesOf(store, "one"), ["./app", "./bin/sh"]);
  assert.equal((await store.import("two", join(top, "skopeo-oci.tar"))).id, gzipped.id);
  const doubled = makeImage([base, app, base]);
  const archive = dockerArchive([{ image: doubled, tags: null }]);
  await store.import("doubled", "-", { stdin: Readable.from([archive]) });
  assert.deepEqual(await filesOf(store, "doubled"), ["./app", "./bin/sh", "./etc/motd"]);
});

test("an import that is aborted leaves nothing", { skip }, async (t) => {
  const { store, devices, top } = await openFolderStore(t);
  const abort = new AbortController();
  const layout = writeOciLayout(join(top, "oci"), [image]);
  const importing = store.import("x", layout, {
    signal: abort.signal,
    progress: (event) => {
      if (event.kind === "layer-done") abort.abort();
    },
  });
  await assert.rejects(importing, { name: "AbortError" });
  assert.deepEqual(devices.ids(), []);
  assert.deepEqual(leftovers(top), []);
});

test("a source that is a pipe is read as a stream", { skip }, async (t) => {
  const { store, top } = await openFolderStore(t);
  const pipe = join(top, "pipe");
  execFileSync("mkfifo", [pipe]);
  const writer = import("node:fs").then(({ writeFile }) => writeFile(pipe, craftTar(base.entries), () => undefined));
  await store.import("piped", pipe);
  await writer;
  assert.equal((await store.images()).length, 1);
  assert.ok(existsSync(pipe));
});
