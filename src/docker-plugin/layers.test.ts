import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { craftTar } from "../layer/testing/craft-tar.ts";
import { answerOf, failureOf, responseTo, type PluginClient } from "./testing/plugin-client.ts";
import { testPlugin } from "./testing/test-plugin.ts";
import { until } from "../linux/testing/until.ts";

const init = { Home: "/var/lib/docker/mica", Opts: null, UIDMaps: null, GIDMaps: null };

/** Mounts a layer for the time of a function. */
async function inLayer<T>(client: PluginClient, ID: string, work: (root: string) => T): Promise<T> {
  const { Dir } = (await client.ok("Get", { ID })) as { Dir: string };
  try {
    return work(Dir);
  } finally {
    await client.ok("Put", { ID });
  }
}

function mountedIn(root: string): string[] {
  return readdirSync(join(root, "mnt")).filter((name) => !name.startsWith("."));
}

test("what a layer changed goes out as a tar and comes in again, owners of a user namespace mapped both ways", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  const map = (host_id: number): object[] => [{ container_id: 0, host_id, size: 65_536 }];
  await client.ok("Init", { ...init, UIDMaps: map(100_000), GIDMaps: map(200_000) });
  await client.ok("Create", { ID: "below" });
  const tar = craftTar([
    { name: "kept", content: "kept", uid: 1, gid: 2 },
    { name: "gone", content: "gone" },
    { name: "folder/", type: "5" },
    { name: "folder/old" },
  ]);
  assert.deepEqual((await client.applyDiff("below", Readable.from([tar]))).body, { Size: 8 });
  await client.ok("Create", { ID: "top", Parent: "below" });
  await inLayer(client, "top", (root) => {
    assert.deepEqual([lstatSync(join(root, "kept")).uid, lstatSync(join(root, "kept")).gid], [100_001, 200_002]);
    rmSync(join(root, "gone"));
    writeFileSync(join(root, "folder/new"), "12345");
    execFileSync("chown", ["100007:200008", join(root, "folder/new")]);
  });
  const expected = [
    { Path: "/folder", Kind: 0 },
    { Path: "/folder/new", Kind: 1 },
    { Path: "/gone", Kind: 2 },
  ];
  assert.deepEqual(await client.ok("Changes", { ID: "top", Parent: "below" }), { Changes: expected });
  assert.deepEqual(await client.ok("DiffSize", { ID: "top", Parent: "below" }), { Size: 5 });
  const diff = await client.diff("top", "below");
  const listing = execFileSync("tar", ["--numeric-owner", "-tvf", "-"], { input: diff, encoding: "utf8" });
  assert.match(listing, / 7\/8 .* folder\/new\n/);
  assert.match(listing, /\.wh\.gone\n/);

  await client.ok("Create", { ID: "copy", Parent: "below" });
  assert.deepEqual((await client.applyDiff("copy", Readable.from([diff]))).body, { Size: 5 });
  assert.deepEqual(await client.ok("Changes", { ID: "copy", Parent: "below" }), { Changes: expected });
  await inLayer(client, "copy", (root) => {
    assert.equal(readFileSync(join(root, "folder/new"), "utf8"), "12345");
    assert.deepEqual(readdirSync(root).sort(), ["folder", "kept"]);
  });
  assert.deepEqual(mountedIn(devices.root), []);
});

test("a tar that is damaged leaves a layer as it was, and another may follow", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  const good = craftTar([{ name: "file", content: "good" }]);
  const bad = Buffer.concat([craftTar([{ name: "half", content: "half" }], Buffer.alloc(0)), Buffer.alloc(512, 1)]);
  await client.ok("Create", { ID: "untouched", StorageOpt: { size: "100M" } });
  await client.ok("Create", { ID: "used" });
  await inLayer(client, "used", (root) => writeFileSync(join(root, "before"), "before"));
  for (const [ID, before] of [
    ["untouched", []],
    ["used", ["before"]],
  ] as const) {
    const { status, message } = failureOf(await client.applyDiff(ID, Readable.from([bad])));
    assert.equal(status, 500);
    assert.match(message, /Cannot read the layer's tar after entry 'half'/);
    assert.deepEqual(await inLayer(client, ID, (root) => readdirSync(root)), before);
    assert.deepEqual((await client.applyDiff(ID, Readable.from([good]))).body, { Size: 4 });
    assert.deepEqual(await inLayer(client, ID, (root) => readdirSync(root).sort()), [...before, "file"]);
  }
  assert.equal((await devices.device("untouched"))?.sizeBytes, 100 << 20);
  assert.deepEqual((await devices.devices()).map(({ id }) => id).sort(), ["base", "untouched", "used"]);
  assert.deepEqual(readdirSync(join(devices.root, "docker-plugin/under-way")), []);
  assert.deepEqual(await devices.check(), []);
});

test("a layer that is larger than its device is refused while it comes, and nothing of it is left", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  await client.ok("Create", { ID: "small" });
  const tar = craftTar([{ name: "large", content: Buffer.alloc(96 << 20, "large ") }]);
  const { status, message } = failureOf(await client.applyDiff("small", Readable.from([tar])));
  assert.equal(status, 500);
  assert.match(message, /'large'.*no space left on device/i);
  assert.deepEqual(await inLayer(client, "small", (root) => readdirSync(root)), []);
  assert.deepEqual(await devices.check(), []);
});

test("a stream that breaks off is undone, and what comes next for the layer is taken for the rest of it", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  const tar = craftTar([
    { name: "first", content: "1".repeat(1 << 20) },
    { name: "second", content: "2" },
  ]);
  await client.ok("Create", { ID: "layer" });
  const pending = client.begin("GraphDriver.ApplyDiff?id=layer&parent=");
  const broken = once(pending, "error");
  pending.write(tar.subarray(0, tar.length - 2048));
  await until("the first file is unpacked", () => existsSync(join(devices.root, "mnt/layer/rootfs/first")));
  pending.destroy();
  await broken;

  // Docker's client sends what is left, which may look like a whole tar, or be nothing.
  const rest = failureOf(
    await client.applyDiff("layer", Readable.from([craftTar([{ name: "second", content: "2" }])])),
  );
  assert.equal(rest.status, 409);
  assert.match(rest.message, /it may have been cut off in between/);
  assert.deepEqual(await inLayer(client, "layer", (root) => readdirSync(root)), []);
  assert.deepEqual((await client.applyDiff("layer", Readable.from([tar]))).body, { Size: (1 << 20) + 1 });

  await client.ok("Create", { ID: "again" });
  await client.ok("Remove", { ID: "again" });
  await client.ok("Create", { ID: "again" });
  assert.equal((await client.applyDiff("again", Readable.from([tar]))).status, 200);
  assert.deepEqual(mountedIn(devices.root), []);
});

test("a layer that Docker has mounted is unpacked onto where it is mounted", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client } = plugin;
  await client.ok("Create", { ID: "layer" });
  const { Dir } = (await client.ok("Get", { ID: "layer" })) as { Dir: string };
  await client.applyDiff("layer", Readable.from([craftTar([{ name: "file", content: "1" }])]));
  assert.equal(readFileSync(join(Dir, "file"), "utf8"), "1");
  const bad = Buffer.alloc(1024, 1);
  assert.equal((await client.applyDiff("layer", Readable.from([bad]))).status, 500);
  assert.equal(readFileSync(join(Dir, "file"), "utf8"), "1");
  await client.ok("Put", { ID: "layer" });
});

test("a reader of a tar that goes away lets go of what is mounted for it", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  await client.ok("Create", { ID: "layer" });
  await inLayer(client, "layer", (root) => {
    mkdirSync(join(root, "many"));
    for (let index = 0; index < 20; index++) writeFileSync(join(root, "many", String(index)), Buffer.alloc(1 << 20));
  });
  const pending = client.begin("GraphDriver.Diff");
  pending.end(JSON.stringify({ ID: "layer" }));
  const response = await responseTo(pending);
  await once(response, "data");
  assert.deepEqual(mountedIn(devices.root), ["layer"]);
  response.destroy();
  await until("it is unmounted", () => mountedIn(devices.root).length === 0);
  assert.equal((await client.diff("layer")).length > 20 << 20, true);
  await client.ok("Remove", { ID: "layer" });
});

test("a tar that cannot be made to its end breaks the connection", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client } = plugin;
  await client.ok("Create", { ID: "layer" });
  await inLayer(client, "layer", (root) => writeFileSync(join(root, ".wh.name"), ""));
  const early = client.begin("GraphDriver.Diff");
  early.end(JSON.stringify({ ID: "layer" }));
  assert.match(failureOf(await answerOf(await responseTo(early))).message, /in a layer such a name means a deletion/);
  await inLayer(client, "layer", (root) => writeFileSync(join(root, ".a"), Buffer.alloc(8 << 20)));
  await assert.rejects(client.diff("layer"), /aborted/);
});
