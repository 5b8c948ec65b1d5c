import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { DeviceSet } from "../device-set.ts";
import { until } from "../../linux/testing/until.ts";
import { lingerMs } from "./lingering-devices.ts";
import { testGraph, type TestGraph } from "../testing/test-graph.ts";

test("a device that was unmounted stays active until this process has done with the graph", async (t) => {
  const made = await makeGraph(t, ["a"]);
  if (made === undefined) return;
  const { set, isActive, open } = made;
  assert.ok(await isActive("a"));
  assert.equal(readFileSync(join(await set.get("a"), "file"), "utf8"), "a");
  await set.put("a");
  assert.ok(await isActive("a"));
  assert.deepEqual(await set.check(), []);
  await set.close();
  assert.ok(!(await isActive("a")));

  const next = await open();
  await next.get("a");
  await next.put("a");
  await next.remove("a");
  assert.ok(!(await isActive("a")));
});

test("a device that another opener took away is mounted all the same", async (t) => {
  const made = await makeGraph(t, ["a"]);
  if (made === undefined) return;
  const { set, isActive, open } = made;
  const other = await open();
  await other.deactivate("a");
  assert.ok(!(await isActive("a")));
  assert.equal(readFileSync(join(await set.get("a"), "file"), "utf8"), "a");
  await set.put("a");
  await other.remove("a");
  await assert.rejects(set.get("a"), { code: "ENOENT" });
});

test("it goes after a while, unless somebody wants it active", async (t) => {
  const made = await makeGraph(t, ["a", "wanted", "mounted"]);
  if (made === undefined) return;
  const { isActive, open } = made;
  const other = await open();
  await other.activate("wanted");
  await other.get("mounted");
  await sleep(lingerMs);
  await until("it is no longer active", async () => !(await isActive("a")));
  assert.ok(await isActive("wanted"));
  assert.ok(await isActive("mounted"));
  await other.deactivate("wanted");
  assert.ok(!(await isActive("wanted")));
});

interface Made {
  set: DeviceSet;
  open: TestGraph["open"];
  isActive: (id: string) => Promise<boolean>;
}

/** A graph with containers that have just been unmounted, each with its name in a file. */
async function makeGraph(t: TestContext, ids: readonly string[]): Promise<Made | undefined> {
  const graph = testGraph(t);
  if (graph === undefined) return undefined;
  if (graph.mapper.kind !== "kernel") {
    t.skip("no device lingers in user space");
    return undefined;
  }
  const set = await graph.open();
  for (const id of ids) {
    await set.create(id);
    writeFileSync(join(await set.get(id), "file"), id);
    await set.put(id);
  }
  const isActive = async (id: string): Promise<boolean> =>
    (await graph.mapper.list()).some(({ name }) => name.endsWith(`-${id}`));
  return { set, open: (options) => graph.open(options), isActive };
}
