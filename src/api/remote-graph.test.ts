import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import type { ImportProgress } from "../image/types.ts";
import { connectToDaemon, type RemoteGraph } from "./remote-graph.ts";
import { servedApi, type ServedApi } from "./testing/served-api.ts";

/** A served graph and the same one as its clients have it. */
async function connected(t: TestContext): Promise<{ api: ServedApi; remote: RemoteGraph } | undefined> {
  const api = await servedApi(t);
  if (api === undefined) return undefined;
  const { graph, devices, socket } = api;
  const { deviceMapper } = devices;
  const file = { pid: process.pid, api: socket, deviceMapper, storageOptions: [] };
  writeFileSync(join(graph.root, "daemon.json"), JSON.stringify(file));
  const remote = await connectToDaemon(graph.root);
  assert.ok(remote !== undefined);
  t.after(() => remote.close());
  return { api, remote };
}

function tarIn(folder: string, bytes: number): string {
  const [files, tar] = [join(folder, "files"), join(folder, "files.tar")];
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, "file"), Buffer.alloc(bytes, "some bytes"));
  execFileSync("tar", ["-C", files, "-cf", tar, "."]);
  return tar;
}

test("a graph through its daemon is the graph", async (t) => {
  const both = await connected(t);
  if (both === undefined) return;
  const { api, remote } = both;
  const { devices, store } = remote;
  const progress: ImportProgress[] = [];
  const { id } = await store.import("team/app:2", tarIn(api.folder, 3_000_000), {
    progress: (event) => progress.push(event),
  });
  assert.deepEqual([progress[0].kind, progress.at(-1)?.kind], ["source", "layer-done"]);
  const web = await store.create("team/app:2", { name: "web", sizeBytes: 2 ** 30 });
  const path = await store.mount("web");
  writeFileSync(join(path, "new"), "new");
  assert.deepEqual(await store.diff("web"), [{ kind: "A", path: "/new" }]);
  const committed = await store.commit("web", "app:3");
  await store.umount("web");

  assert.deepEqual(await store.image("team/app:2"), await api.store.image(id));
  assert.deepEqual(await store.images(), JSON.parse(JSON.stringify(await api.store.images())));
  assert.deepEqual(await store.containers(), JSON.parse(JSON.stringify(await api.store.containers())));
  assert.equal((await store.container("web")).id, web.id);
  assert.deepEqual(await store.tree(), await api.store.tree());
  assert.deepEqual(await devices.usage(), await api.devices.usage());
  assert.deepEqual(await devices.status(), await api.devices.status());
  assert.deepEqual(await devices.metadata(web.id), await api.devices.metadata(web.id));
  assert.deepEqual(await devices.locateBlock(web.id, 0), await api.devices.locateBlock(web.id, 0));
  assert.deepEqual((await devices.device(web.id))?.sizeBytes, 2 ** 30);
  assert.equal(await devices.device("nothing"), undefined);
  assert.deepEqual([await devices.exists(web.id), await devices.exists("nothing")], [true, false]);
  assert.equal((await devices.devices()).length, (await api.devices.devices()).length);
  assert.deepEqual([remote.root, devices.poolName], [api.devices.root, api.devices.poolName]);

  const tar = new PassThrough();
  const [bytes] = await Promise.all([buffer(tar), store.export("web", tar)]);
  assert.ok(bytes.length > 3_000_000);
  const saved = join(api.folder, "saved.tar");
  await store.save("app:3", saved);
  assert.ok(statSync(saved).size > 3_000_000);
  await store.removeContainer("web");
  await store.removeImage("app:3");
  const again = await store.import("again", "-", { stdin: PassThrough.from([readFileSync(saved)]) });
  assert.equal(again.id, committed.id);

  await devices.create("disk", undefined, { sizeBytes: 2 ** 30 });
  const folder = await devices.get("disk", { readOnly: true });
  assert.ok(existsSync(folder));
  await devices.put("disk");
  const blockDevice = await devices.activate("disk");
  assert.equal((await devices.deviceStatus("disk")).blockDevice, blockDevice);
  await devices.deactivate("disk", { whenBusy: "retry" });
  await devices.remove("disk");
  const { before, after } = await devices.growPool({ dataBytes: { addBytes: 2 ** 30 } });
  assert.equal(after.dataBytes - before.dataBytes, 2 ** 30);
  assert.equal((await devices.setAutogrow({ threshold: "70%" })).data.thresholdPercent, 70);
  assert.equal((await devices.autogrow())?.data.thresholdPercent, 70);
  assert.deepEqual([...(await devices.check()), ...(await store.check())], []);
});

test("failures have the graph's code and message", async (t) => {
  const both = await connected(t);
  if (both === undefined) return;
  const { devices, store } = both.remote;
  await assert.rejects(store.mount("nobody"), { name: "ApiError", code: "not-found", message: /container 'nobody'/ });
  await assert.rejects(devices.create("base"), { code: "EINVAL", message: /'base'/ });
  await assert.rejects(store.export("nobody", new PassThrough()), { code: "not-found" });
  const file = join(both.api.folder, "out.tar");
  await assert.rejects(store.save("nothing", file), { code: "not-found" });
  assert.ok(!existsSync(file));
});

test("an aborted call rejects when the daemon has undone it", async (t) => {
  const both = await connected(t);
  if (both === undefined) return;
  const { api, remote } = both;
  const stdin = new PassThrough();
  stdin.write(readFileSync(tarIn(api.folder, 3_000_000)).subarray(0, 2_000_000));
  const abort = new AbortController();
  let begun: () => void = () => undefined;
  const layer = new Promise<void>((resolve) => (begun = resolve));
  const progress = (event: ImportProgress): void => {
    if (event.kind === "layer") begun();
  };
  const importing = remote.store.import("app", "-", { stdin, signal: abort.signal, progress });
  await layer;
  abort.abort();
  await assert.rejects(importing);
  assert.deepEqual(
    (await api.devices.devices()).map(({ id }) => id),
    ["base"],
  );
});

test("what breaks off is told with its reason, and leaves no file", async (t) => {
  const both = await connected(t);
  if (both === undefined) return;
  const { api, remote } = both;
  const { id } = await remote.store.import("app", tarIn(api.folder, 20_000_000));
  const [layer] = (await api.devices.devices()).filter(({ id: name }) => name !== "base");
  const path = await api.devices.get(layer.id);
  writeFileSync(join(path, "file"), Buffer.alloc(20_000_000, "other bytes"));
  await api.devices.put(layer.id);
  const file = join(api.folder, "out.tar");
  await assert.rejects(remote.store.save(id, file), { code: "damaged", message: /not as they were/ });
  assert.ok(!existsSync(file));
});

test("a daemon that is gone, or that serves another graph now, is none", async (t) => {
  const both = await connected(t);
  if (both === undefined) return;
  const { api } = both;
  const other = join(api.folder, "other");
  mkdirSync(other);
  const file = readFileSync(join(api.graph.root, "daemon.json"));
  writeFileSync(join(other, "daemon.json"), file);
  assert.equal(await connectToDaemon(other), undefined);
  for (const text of ["", "{", "[]", '{"pid": 1, "api": 5}', '{"pid": 1, "deviceMapper": "none"}']) {
    writeFileSync(join(other, "daemon.json"), text);
    assert.equal(await connectToDaemon(other), undefined, text);
  }
  await api.close();
  assert.equal(await connectToDaemon(api.graph.root), undefined);
  writeFileSync(api.socket, "");
  rmSync(api.socket);
  assert.equal(await connectToDaemon(api.graph.root), undefined);
});
