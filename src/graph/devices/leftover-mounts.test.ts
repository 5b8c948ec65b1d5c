import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isMounted } from "../../linux/mount-table.ts";
import type { DeviceSet } from "../device-set.ts";
import { testGraph } from "../testing/test-graph.ts";

/** A graph whose device "a" an opener mounted who is gone, and another opener of it, as a daemon that is started again is. */
async function restarted(t: TestContext): Promise<{ set: DeviceSet; mounted: () => boolean } | undefined> {
  const graph = testGraph(t);
  if (graph === undefined) return undefined;
  const before = await graph.open();
  await before.create("a");
  await before.get("a");
  await before.close();
  return { set: await graph.open(), mounted: () => isMounted(join(graph.root, "mnt/a")) };
}

test("what is mounted and unmounted beside a mount that was found leaves it; one put more ends it", async (t) => {
  const found = await restarted(t);
  if (found === undefined) return;
  const { set, mounted } = found;
  await set.get("a");
  await set.get("a");
  await set.put("a");
  await set.put("a");
  assert.ok(mounted());
  await set.put("a");
  assert.ok(!mounted());
});

test("in whatever order the references end, the last one unmounts", async (t) => {
  const found = await restarted(t);
  if (found === undefined) return;
  const { set, mounted } = found;
  await set.get("a", { readOnly: true });
  await set.put("a"); // whoever had it mounted before
  assert.ok(mounted());
  await set.put("a");
  assert.ok(!mounted());
});

test("a reference may stand for the mount that was found", async (t) => {
  const found = await restarted(t);
  if (found === undefined) return;
  const { set, mounted } = found;
  await set.get("a", { readOnly: true });
  await set.get("a", { takeOver: true });
  await set.put("a");
  assert.ok(mounted());
  await set.put("a");
  assert.ok(!mounted());
});

test("what was left mounted is unmounted by itself, but not while somebody uses it", async (t) => {
  const found = await restarted(t);
  if (found === undefined) return;
  const { set, mounted } = found;
  await set.get("a");
  await assert.rejects(set.unmountLeft("a"), { code: "EBUSY", message: /being read or written/ });
  await set.put("a");
  assert.ok(mounted());
  await set.unmountLeft("a");
  assert.ok(!mounted());
  await set.unmountLeft("a");
});

test("what was mounted for a moment by a process that is gone is unmounted by who comes next", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const mounted = (): boolean => isMounted(join(graph.root, "mnt/a"));
  const before = await graph.open();
  await before.create("a");
  await before.get("a", { readOnly: true, forNow: true });
  const beside = await graph.open();
  assert.ok(mounted(), "not under who is at it");
  await before.close();
  assert.ok(mounted());
  await beside.get("a", { readOnly: true, forNow: true });
  await beside.put("a");
  assert.ok(!mounted(), "nor is it kept by who reads it next");

  await beside.get("a", { readOnly: true, forNow: true });
  await beside.close();
  await graph.open();
  assert.ok(!mounted());
});

test("what one reads for a moment, another may mount for longer", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const mounted = (): boolean => isMounted(join(graph.root, "mnt/a"));
  const [one, other] = [await graph.open(), await graph.open()];
  await one.create("a");
  await one.get("a", { readOnly: true, forNow: true });
  await other.get("a");
  await other.close();
  await one.put("a");
  assert.ok(mounted(), "as the command has ended that mounted it, say");
  await one.endAbandonedMounts();
  assert.ok(mounted());
  await one.unmountLeft("a");
  assert.ok(!mounted());
});
