import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DeviceMapperError } from "../../device-mapper/device-mapper-error.ts";
import type { DeviceSet } from "../graph.ts";
import { MetadataStore } from "../files/metadata-store.ts";
import { testProgram } from "../testing/test-program.ts";
import { testGraph, type TestGraph } from "../testing/test-graph.ts";
import { inKernel, interceptMapper } from "../testing/test-mapper.ts";

const child = testProgram("crash-child");

/** Runs an operation in a process that kills itself at a step. @returns the step, or undefined when it had no such step */
function killedAt(graph: TestGraph, operation: string, step: number): string | undefined {
  const parameters = [...child, graph.root, graph.runDir, operation, String(step)];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, parameters, { encoding: "utf8" });
  if (signal === "SIGKILL") return stdout;
  assert.equal(status, 0, stderr);
  return undefined;
}

/** No device in the pool that no file names, and the other way round. */
async function assertWhole(graph: TestGraph, set: DeviceSet, step: string): Promise<void> {
  assert.deepEqual(await set.check(), [], step);
  const inPool = (await graph.mapper.usage(set.poolName)).devices.map(({ id }) => id).sort((a, b) => a - b);
  const inFiles = (await set.devices()).map(({ deviceId }) => deviceId).sort((a, b) => a - b);
  assert.deepEqual(inPool, inFiles, step);
  assert.deepEqual(
    readdirSync(join(graph.root, "metadata")).filter((name) => name.startsWith(".tmp")),
    [],
    step,
  );
}

test("a creation killed at any step is undone, and the next one goes through", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("layer");
  const steps: string[] = [];
  for (let step = 0; ; step++) {
    const what = killedAt(graph, `create victim${step} layer`, step);
    if (what === undefined) break;
    steps.push(what);
    await set.create(`after${step}`, "layer");
    await assertWhole(graph, set, what);
    if (await set.exists(`victim${step}`)) await set.remove(`victim${step}`);
    await set.create(`victim${step}`, "layer");
  }
  assert.ok(steps.length >= 4, steps.join("; "));
});

test("a removal killed at any step is completed or undone, and can be repeated", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("layer");
  const steps: string[] = [];
  for (let step = 0; ; step++) {
    await set.create(`victim${step}`, "layer");
    const what = killedAt(graph, `remove victim${step}`, step);
    if (what === undefined) break;
    steps.push(what);
    await set.remove(`victim${step}`);
    assert.equal(await set.exists(`victim${step}`), false);
    await set.create(`after${step}`, "layer");
    await assertWhole(graph, set, what);
  }
  assert.ok(steps.length >= 4, steps.join("; "));
});

test("a first start killed at any step is taken up again by the next one", async (t) => {
  // A program takes a second to start in User-mode Linux, and there are many steps.
  for (let step = 0; ; step += inKernel ? 3 : 1) {
    const graph = testGraph(t);
    if (graph === undefined) return;
    const what = killedAt(graph, "open", step);
    if (what === undefined) {
      assert.ok(step >= 5);
      return;
    }
    const set = await graph.open();
    await set.create("a");
    writeFileSync(join(await set.get("a"), "x"), "x");
    await set.put("a");
    await assertWhole(graph, set, what);
    await graph.stop();
  }
});

test("a creation that fails in the pool leaves nothing", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  let failing = "";
  const mapper = interceptMapper(graph.mapper, (call) => {
    if (failing !== "" && call.includes(failing)) {
      failing = "";
      throw new DeviceMapperError("ENOSPC", "no space");
    }
  });
  const set = await graph.open({ deviceMapper: mapper });
  for (const message of ["create_snap", "set_transaction_id"]) {
    failing = message;
    await assert.rejects(set.create("a"), { code: "ENOSPC" });
    assert.equal(await set.exists("a"), false);
    await set.create("b");
    await set.remove("b");
    await assertWhole(graph, set, message);
  }
});

test("a device id that should be free but is not is skipped, with an error in the log", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await set.create("a");
  for (const id of [3, 4, 6]) await graph.mapper.message(set.poolName, `create_thin ${id}`);
  await set.create("b");
  await set.create("c");
  assert.deepEqual(
    (await set.devices()).map(({ id, deviceId }) => [id, deviceId]),
    [
      ["a", 2],
      ["b", 5],
      ["base", 1],
      ["c", 7],
    ],
  );
  assert.match(graph.logged.join("\n"), /error: device id 3 should be free/);
});

test("a stranger's device is not deleted with a transaction that only tried its id", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await graph.mapper.message(set.poolName, "create_thin 77");
  await set.create("a");
  // As a crash between the failed attempt with id 77 and the next id leaves it.
  const store = new MetadataStore(graph.root);
  const { transactionId } = (await set.devices()).find(({ id }) => id === "a")!;
  store.writeTransaction({ openTransactionId: transactionId + 1, deviceHash: "b", deviceId: 77 }, "durable");
  await set.create("b");
  assert.ok((await graph.mapper.usage(set.poolName)).devices.some(({ id }) => id === 77));
});

test("a damaged transaction file does not stop the graph", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  await graph.mapper.message(set.poolName, "create_thin 77");
  writeFileSync(join(graph.root, "metadata/transaction-metadata"), "");
  await set.create("a");
  assert.match(graph.logged.join("\n"), /transaction-metadata/);
  await assertWhole(graph, set, "damaged");
});

test("a damaged transaction file and a leftover in the pool do not stop the next start", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const first = await graph.open();
  await graph.mapper.message(first.poolName, "create_thin 77");
  await graph.stop();
  writeFileSync(join(graph.root, "metadata/transaction-metadata"), "");
  await assertWhole(graph, await graph.open(), "started");
});
