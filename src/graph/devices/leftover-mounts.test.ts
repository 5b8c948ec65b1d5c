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
