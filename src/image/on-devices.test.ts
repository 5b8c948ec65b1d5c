import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { testGraph } from "../graph/testing/test-graph.ts";
import { describeTree } from "../file-system/testing/describe-tree.ts";
import { openImageStore } from "./image-store.ts";
import { makeImage, writeOciLayout } from "./testing/make-images.ts";

const FILE_BYTES = 3 << 20;
const image = makeImage([
  {
    entries: [
      { name: "large", content: Buffer.alloc(FILE_BYTES, "a") },
      { name: "etc/motd", content: "base" },
    ],
  },
  {
    entries: [{ name: "app", content: Buffer.alloc(FILE_BYTES, "b"), mtimeNs: 1_700_000_000_123_456_789n }],
    compression: "gzip",
  },
]);

test(
  "images and containers on thin devices: from import to the last block given back",
  { timeout: 240_000 },
  async (t) => {
    const graph = testGraph(t);
    if (graph === undefined) return;
    const set = await graph.open();
    const store = await openImageStore(set);
    const empty = (await set.usage()).find(({ id }) => id === "base")!;
    const work = join(dirname(graph.root), "work");
    mkdirSync(work);

    await store.import("app", writeOciLayout(join(work, "oci"), [image]));
    const { id } = await store.create("app", { name: "web", sizeBytes: 640 << 20 });
    const path = await store.mount("web");
    assert.equal(statSync(join(path, "app"), { bigint: true }).mtimeNs, 1_700_000_000_123_456_789n);
    assert.deepEqual(await store.diff("web"), []);

    writeFileSync(join(path, "written"), "not synced");
    rmSync(join(path, "etc", "motd"));
    assert.deepEqual(
      (await store.diff("web")).map(({ kind, path }) => `${kind} ${path}`),
      ["C /etc", "D /etc/motd", "A /written"],
    );
    await store.commit("web", "app:2");
    writeFileSync(join(path, "written"), "later");
    await store.export("web", createWriteStream(join(work, "export.tar")));
    await assert.rejects(store.removeContainer("web"), { code: "in-use" });

    await store.create("app:2", { name: "copy" });
    const copy = await store.mount("copy");
    assert.equal(readFileSync(join(copy, "written"), "utf8"), "not synced");
    mkdirSync(join(work, "exported"));
    execFileSync("tar", ["-xf", join(work, "export.tar"), "-C", join(work, "exported")]);
    assert.deepEqual(describeTree(join(work, "exported")), describeTree(path));

    const tree = await store.tree();
    const [bottom] = tree.children;
    const [upper] = bottom.children;
    assert.ok(bottom.mappedBytes - tree.mappedBytes >= FILE_BYTES, "the layer holds its file");
    assert.ok(upper.sharedBytes >= FILE_BYTES, "and the one above shares it");
    const container = upper.children.find((node) => node.id === id)!;
    assert.ok(container.mounted && container.exclusiveBytes < FILE_BYTES, "a container holds only what it wrote");

    await store.save("app:2", join(work, "saved.tar"));
    for (const name of ["web", "copy"]) await store.umount(name);
    for (const name of ["web", "copy"]) await store.removeContainer(name);
    for (const name of ["app", "app:2"]) await store.removeImage(name);
    assert.deepEqual(
      (await set.devices()).map((device) => device.id),
      ["base"],
    );
    const { id: again } = await store.import("again", join(work, "saved.tar"));
    await store.removeImage(again);
    assert.deepEqual(await set.check(), []);
    assert.deepEqual(await store.check(), []);
    assert.equal((await set.usage()).find((device) => device.id === "base")!.mappedBytes, empty.mappedBytes);
    assert.deepEqual(graph.logged, []);
  },
);

test(
  "a layer that is larger than its device is refused, with the file that did not fit",
  { timeout: 240_000 },
  async (t) => {
    const graph = testGraph(t);
    if (graph === undefined) return;
    const set = await graph.open({
      storageOptions: ["dm.basesize=64M", "dm.loopdatasize=1G", "dm.loopmetadatasize=16M"],
    });
    const store = await openImageStore(set);
    const { layers } = makeImage([
      { entries: [{ name: "fits" }, { name: "too-large", content: Buffer.alloc(80 << 20, "x") }] },
    ]);
    await assert.rejects(store.import("big", "-", { stdin: Readable.from([layers[0].tar]) }), {
      code: "damaged",
      message: /layer 1 of 1 of standard input.*'too-large'.*no space left/,
    });
    assert.deepEqual(
      (await set.devices()).map(({ id }) => id),
      ["base"],
    );
    assert.deepEqual(await set.check(), []);
  },
);
