import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GraphLocks } from "./locks/graph-locks.ts";
import { testProgram } from "./testing/test-program.ts";
import { testGraph } from "./testing/test-graph.ts";

const child = testProgram("create-child");

test("fifty creations at once in one process", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  const names = Array.from({ length: 50 }, (_, index) => `c${index}`);
  await Promise.all(names.map((name) => set.create(name)));
  const devices = await set.devices();
  assert.equal(new Set(devices.map(({ deviceId }) => deviceId)).size, 51);
  assert.deepEqual(await set.check(), []);
  await Promise.all(
    names.slice(0, 8).map(async (name) => {
      writeFileSync(join(await set.get(name), "name"), name);
      await set.put(name);
    }),
  );
  assert.deepEqual(await set.check(), []);
  await Promise.all(names.map((name) => set.remove(name)));
  assert.equal((await set.devices()).length, 1);
});

test("two processes at once on one graph", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  const run = (prefix: string) =>
    new Promise<string>((resolve) => {
      const parameters = [...child, graph.root, graph.runDir, prefix, "25"];
      const process_ = spawn(process.execPath, parameters, { stdio: ["ignore", "pipe", "pipe"] });
      let output = "";
      process_.stdout.on("data", (chunk) => (output += String(chunk)));
      process_.stderr.on("data", (chunk) => (output += String(chunk)));
      process_.on("close", (status) => resolve(`${status} ${output.trim()}`));
    });
  assert.deepEqual(await Promise.all([run("one"), run("two")]), ["0 done", "0 done"]);
  const devices = await set.devices();
  assert.equal(devices.length, 51);
  assert.equal(new Set(devices.map(({ deviceId }) => deviceId)).size, 51);
  assert.deepEqual(await set.check(), []);
});

test("two hundred containers from one image, each with its own change", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("image");
  writeFileSync(join(await set.get("image"), "shared"), Buffer.alloc(2 ** 20, 7));
  await set.put("image");
  for (let index = 0; index < 200; index++) await set.create(`c${index}`, "image");
  for (let index = 0; index < 200; index += 20) {
    writeFileSync(join(await set.get(`c${index}`), "own"), String(index));
    await set.put(`c${index}`);
  }
  for (let index = 0; index < 200; index += 20) {
    const path = await set.get(`c${index}`);
    assert.equal(readFileSync(join(path, "own"), "utf8"), String(index));
    assert.deepEqual(readFileSync(join(path, "shared")), Buffer.alloc(2 ** 20, 7));
    await set.put(`c${index}`);
  }
  assert.deepEqual(await set.check(), []);
  const usage = await set.usage();
  assert.equal(usage.find(({ id }) => id === "c1")?.exclusiveBytes, 0);
  assert.ok(usage.find(({ id }) => id === "c20")!.exclusiveBytes > 0);
});

test("who waits is told for whom, and gives up after a while", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  await (await graph.open()).close();
  const holder = new GraphLocks(graph.root, 1000, () => undefined);
  let release: () => void = () => undefined;
  const held = holder.change(() => new Promise<void>((resolve) => (release = resolve)));
  const set = await graph.open({ lockTimeoutMs: 1500 });
  await assert.rejects(set.create("a"), {
    code: "EAGAIN",
    message: new RegExp(`process ${process.pid} \\(this one\\) has held`),
  });
  assert.match(graph.logged.join("\n"), new RegExp(`warn: waiting for process ${process.pid}`));
  const waiting = set.create("a");
  release();
  await held;
  await waiting;
  holder.close();
});

test("shutdown is refused while another opener uses a device", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const [one, other] = [await graph.open(), await graph.open()];
  await one.create("a");
  await one.get("a");
  await assert.rejects(other.shutdown(), { code: "EBUSY", message: /has devices of it in use/ });
  await one.put("a");
  await other.shutdown();
  await assert.rejects(one.create("b"), { code: "ENXIO", message: /its pool has been stopped/ });
});
