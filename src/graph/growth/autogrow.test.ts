import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decideGrowth, type GrowthLimit } from "./autogrow.ts";
import { parseAutogrow, storeAutogrow, type AutogrowSettings } from "./autogrow-policy.ts";
import { checkMetadata } from "../testing/check-metadata.ts";
import { fill, monitorBegun, monitorLog, monitorOf, poolState, whileHeld } from "../testing/pool-watch.ts";
import { until } from "../../linux/testing/until.ts";
import { testGraph } from "../testing/test-graph.ts";

const mebibyte = 2 ** 20;
const tiny = ["dm.basesize=1G", "dm.loopdatasize=256M", "dm.loopmetadatasize=16M"];

test("how much a pool grows: by steps until it is below the threshold, up to the nearest limit", () => {
  const rule = (settings: AutogrowSettings) => parseAutogrow(settings, true).data;
  const limit = (bytes: number): GrowthLimit => ({ bytes, why: String(bytes) });
  const decide = (used: number, settings: AutogrowSettings, ...limits: number[]) =>
    decideGrowth({ usedBytes: used * mebibyte, totalBytes: 1000 * mebibyte }, rule(settings), limits.map(limit));
  assert.equal(decide(799, {}), undefined);
  assert.equal(decide(800, {}), 1200 * mebibyte);
  assert.equal(decide(1000, { step: "100M" }), 1300 * mebibyte);
  assert.equal(decide(1000, { threshold: "50%", step: "10%" }), 2247715783);
  assert.equal(decide(900, {}, 1100 * mebibyte, 1050 * mebibyte), 1050 * mebibyte);
  assert.deepEqual(decide(900, {}, 1005 * mebibyte), limit(1005 * mebibyte));
  assert.deepEqual(decide(900, {}, 500 * mebibyte), limit(500 * mebibyte));
});

test("settings that cannot be are named", () => {
  for (const settings of [
    { threshold: "49%" },
    { threshold: "100%" },
    { threshold: "80" },
    { step: "0%" },
    { step: "10" },
    { step: "much" },
    { ceiling: "high" },
    { metadataThreshold: "x" },
    { metadataStep: "+5G" },
    { metadataCeiling: "" },
  ]) {
    const [key] = Object.keys(settings);
    assert.throws(() => parseAutogrow(settings, true), { code: "EINVAL", message: new RegExp(`autogrow ${key}\\b`) });
  }
});

test("a pool on files grows by itself, before it is full and when it was faster; its monitor goes with it", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: tiny, autogrow: {} });
  await until("there is a monitor", () => monitorOf(graph.root) !== "none");
  await set.create("a");
  // Faster than any look of the monitor: the pool is full, writes wait, the event wakes it.
  assert.equal(await fill(join(await set.get("a"), "file"), 400), 0);
  await until(
    "it has grown",
    async () => (await poolState(graph.mapper, set.poolName)).totalDataBlocks * 65536 > 400 * mebibyte,
  );
  assert.equal((await poolState(graph.mapper, set.poolName)).mode, "rw");
  await set.put("a");
  const log = monitorLog(graph.mapper, set.poolName);
  assert.match(log, /info: the pool has grown to/);
  const grown = statSync(join(graph.root, "devicemapper/data")).size;
  assert.match(readFileSync(join(graph.root, "storage-options.json"), "utf8"), new RegExp(`dm.loopdatasize=${grown}`));

  // Killed, it is started again by the next command.
  const first = monitorOf(graph.root);
  assert.equal(typeof first, "number");
  process.kill(first as number, "SIGKILL");
  await until("it is dead", () => monitorOf(graph.root) === "none");
  await graph.open({ autogrow: {} });
  await until("there is another one", () => monitorOf(graph.root) !== "none");
  assert.notEqual(monitorOf(graph.root), first);
  await graph.open({ autogrow: {} });
  await graph.stop();
  assert.equal(monitorOf(graph.root), "none");
  checkMetadata(join(graph.root, "devicemapper/metadata"));
  assert.deepEqual(
    graph.logged.filter((line) => !line.startsWith("info")),
    [],
  );
});

test("a device is made after the pool has grown for it, without a monitor too", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: [...tiny, "dm.min_free_space=40%"] });
  await set.create("a");
  assert.equal(await fill(join(await set.get("a"), "file"), 165), 0);
  await set.put("a");
  await assert.rejects(set.create("b"), { code: "ENOSPC" });
  storeAutogrow(graph.root, { enabled: true, threshold: "95%", step: "50%" });
  await set.create("b");
  assert.equal(monitorOf(graph.root), "none");
  const { usedDataBlocks, totalDataBlocks } = await poolState(graph.mapper, set.poolName);
  assert.ok(usedDataBlocks < totalDataBlocks * 0.6);
  await graph.stop();
  checkMetadata(join(graph.root, "devicemapper/metadata"));
});

test("it stops at its ceiling, says so once, and goes on when that is raised", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: [...tiny, "dm.min_free_space=0%"], autogrow: { ceiling: "300M" } });
  await set.create("a");
  const filled = fill(join(await set.get("a"), "file"), 400);
  const size = () => statSync(join(graph.root, "devicemapper/data")).size;
  await whileHeld(set, filled, async () => {
    await until("it is full at its ceiling", async () => {
      const { totalDataBlocks, mode } = await poolState(graph.mapper, set.poolName);
      return totalDataBlocks === 4800 && mode === "out_of_data_space";
    });
    assert.equal(size(), 300 * mebibyte);
    await until("the monitor said so", () =>
      monitorLog(graph.mapper, set.poolName).includes("its ceiling is 314.6 MB"),
    );
    const policy = await set.setAutogrow({ ceiling: "2G" });
    assert.deepEqual(policy.data, { thresholdPercent: 80, step: { addPercent: 20 }, ceilingBytes: 2 ** 31 });
  });
  assert.equal(await filled, 0);
  assert.equal(monitorLog(graph.mapper, set.poolName).split("its ceiling is").length, 2);
  await set.put("a");
  assert.ok(size() > 400 * mebibyte);
  await graph.stop();
  checkMetadata(join(graph.root, "devicemapper/metadata"));
});

test("settings are kept with the graph, can be turned off, and a damaged file harms nothing", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open({ storageOptions: tiny, autogrow: { threshold: "70%", step: "1G" } });
  await monitorBegun(graph.root);
  assert.equal((await set.setAutogrow({ enabled: false })).enabled, false);
  assert.equal(monitorOf(graph.root), "none");
  const policy = await (await graph.open({ autogrow: { step: "30%", metadataStep: "40%" } })).autogrow();
  assert.deepEqual([policy?.enabled, policy?.data.thresholdPercent], [false, 80]);
  assert.deepEqual([policy?.data.step, policy?.metadata.step], [{ addPercent: 30 }, { addPercent: 40 }]);
  assert.equal(monitorOf(graph.root), "none");
  await assert.rejects(set.setAutogrow({ threshold: "never" }), { code: "EINVAL" });
  assert.deepEqual(JSON.parse(readFileSync(join(graph.root, "autogrow.json"), "utf8")), { enabled: false });

  writeFileSync(join(graph.root, "autogrow.json"), '{"enabled": "perhaps"}');
  const again = await graph.open();
  assert.match(graph.logged.at(-1)!, /^error: the pool does not grow by itself: .*autogrow.json/);
  await again.create("a");
  await assert.rejects(again.autogrow(), { code: "EDAMAGED" });
  await graph.stop();
  assert.ok(!existsSync(join(graph.runDir, `${set.poolName}.monitor.log`)));
});

test("shutdown ends a monitor that is only just starting", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  for (let round = 0; round < 3; round++) {
    await graph.open({ ...(round === 0 && { storageOptions: tiny }), autogrow: {} });
    await graph.stop();
    assert.deepEqual(processesNaming(graph.root), []);
    assert.equal(monitorOf(graph.root), "none");
  }
});

/** Other processes with a text in their command line. */
function processesNaming(text: string): string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return name !== String(process.pid) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(text);
    } catch {
      return false; // no process, or one that has ended
    }
  });
}
