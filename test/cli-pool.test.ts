import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lacksRequirement, scratchGraph } from "./cli-support.ts";

test("mica pool grow and mica pool autogrow", async (t) => {
  if (lacksRequirement(t)) return;
  const { ok, mica, json, root, folder, leftovers } = scratchGraph(t);
  for (const words of [
    ["pool", "grow", "--data", "much"],
    ["pool", "autogrow", "--on", "--off"],
    ["pool", "autogrow", "--threshold", "20%"],
    ["pool"],
  ]) {
    assert.equal((await mica(...words)).status, 2, words.join(" "));
  }
  assert.equal((await mica("pool", "grow")).status, 1);
  assert.ok(!existsSync(root), "no graph is made");

  await ok("info");
  assert.equal(await ok("pool", "grow", "--data", "+1G"), "Data: 2.147 GB → 3.221 GB\nMetadata: 33.55 MB, as before");
  assert.deepEqual(await json("pool", "grow", "--metadata", "64M"), {
    before: { dataBytes: 3 * 2 ** 30, metadataBytes: 2 ** 25 },
    after: { dataBytes: 3 * 2 ** 30, metadataBytes: 2 ** 26 },
  });
  const refused = await mica("pool", "grow", "--data", "1G");
  assert.equal(refused.status, 1);
  assert.match(
    refused.stderr,
    /^mica: Cannot grow the data of pool .* to 1\.074 GB: it has 3\.221 GB, and a pool cannot be made smaller\n$/,
  );

  assert.equal(
    await ok("pool", "autogrow"),
    "Grows by itself: yes\nData: at 80% by 20%, no ceiling\nMetadata: at 80% by 20%, no ceiling",
  );
  assert.deepEqual(await json("pool", "autogrow", "--ceiling", "5G", "--metadata-step", "1M"), {
    managed: true,
    enabled: true,
    data: { thresholdPercent: 80, step: { addPercent: 20 }, ceilingBytes: 5 * 2 ** 30 },
    metadata: { thresholdPercent: 80, step: { addBytes: 2 ** 20 }, ceilingBytes: null },
  });
  assert.match(
    await ok("pool", "autogrow", "--off"),
    /^Grows by itself: no\nData: at 80% by 20%, to 5\.369 GB at most\n/,
  );
  const kept = readFileSync(join(root, "autogrow.json"), "utf8");
  assert.deepEqual(JSON.parse(kept), { ceiling: "5G", metadataStep: "1M", enabled: false });

  const config = join(folder, "config.toml");
  writeFileSync(config, '[autogrow]\nenabled = true\nthreshold = "60%"\n');
  assert.match(
    await ok("--config", config, "pool", "autogrow"),
    /^Grows by itself: no\nData: at 60% by 20%, to 5\.369 GB/,
  );
  await ok("--config", config, "pool", "autogrow", "--on");
  assert.ok(
    leftovers().some((line) => line.includes("monitor.js")),
    "a monitor runs",
  );
  await ok("shutdown");
  assert.deepEqual(leftovers(), []);
});
