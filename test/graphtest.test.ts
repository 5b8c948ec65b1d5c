import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { pino } from "pino";
import { serveDockerPlugin } from "../src/docker-plugin/docker-plugin.ts";
import { testGraph } from "../src/graph/testing/test-graph.ts";
import { openImageStore } from "../src/image/image-store.ts";
import { packageFile } from "../src/linux/package-root.ts";

const program = packageFile(".cache/graphtest/graphtest");
const skip = existsSync(program) ? false : "Docker's driver tests are not built (scripts/build-graphtest.sh)";

/** The quota's test wants devices smaller than 50 MiB to be made larger. */
const storageOptions = ["dm.basesize=40M", "dm.loopdatasize=4G", "dm.loopmetadatasize=32M"];

test("Docker's own driver tests pass through the plugin", { skip }, async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const devices = await graph.open({ storageOptions });
  const plugin = `mica-graphtest-${process.pid}`;
  const socket = `/run/docker/plugins/${plugin}.sock`;
  const parts = { devices, store: await openImageStore(devices), log: pino({ level: "error" }) };
  const service = await serveDockerPlugin(parts, { socket });
  // Before the graph, which is stopped after the test.
  const stop = graph.stop.bind(graph);
  graph.stop = async () => {
    await service.close();
    await stop();
  };
  // Its benchmarks too, each of them once.
  const child = spawn(program, ["-test.v", "-test.bench=.", "-test.benchtime=1x"], {
    env: { ...process.env, MICA_PLUGIN: plugin, TMPDIR: graph.runDir },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [printed, complaints] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  const output = printed + complaints;
  const results = [...output.matchAll(/^--- (PASS|FAIL|SKIP): (Test\w+)/gm)];
  for (const [, result, name] of results) {
    await t.test(`${name} of graphtest`, () => assert.equal(result, "PASS", output));
  }
  assert.equal(child.exitCode, 0, output);
  assert.equal(results.length, 9);
  const benchmarks = [...output.matchAll(/^Benchmark(\w+).*\s+1\s+\d.* ns\/op/gm)].map(([, name]) => name);
  assert.equal(benchmarks.length, 8, output);
  assert.deepEqual(await devices.check(), []);
  assert.deepEqual(
    (await devices.devices()).filter(({ mountPoint }) => mountPoint !== undefined).map(({ id }) => id),
    [],
  );
});
