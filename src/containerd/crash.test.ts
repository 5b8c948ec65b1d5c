import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import type { DeviceSet } from "../graph/device-set.ts";
import { testGraph, type TestGraph } from "../graph/testing/test-graph.ts";
import { Snapshotter } from "./snapshotter.ts";
import { snapshotterSettings } from "./snapshotter-options.ts";

const rounds = 8;
const longestMs = 600;
const child = fileURLToPath(new URL("testing/crash-child.ts", import.meta.url));

type State = "active" | "committed" | "gone";

/** What the child told: the state of each key, and the last line of each of its workers. */
interface Told {
  states: Map<string, State>;
  last: Map<string, string>;
}

test(
  "killed at any moment, it loses nothing that it answered, and leaves nothing that is in the way",
  { timeout: 120_000 },
  async (t) => {
    const graph = testGraph(t);
    if (graph === undefined) return;
    await (await graph.open()).close();
    const lasting = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const told = await runAndKill(graph, (longestMs * round) / rounds);
      const devices: DeviceSet = await graph.open();
      const settings = snapshotterSettings({}, devices.options);
      const snapshotter = await Snapshotter.open(devices, settings, pino({ level: "silent" }));
      await snapshotter.cleanUp();
      const found = new Map([...snapshotter.list()].map((record) => [record.key, record]));
      const unsure = new Set([...told.last.values()].flatMap(nextTouched));
      for (const key of lasting) assert.equal(found.get(key)?.kind, "committed", key);
      for (const [key, state] of told.states) {
        if (!unsure.has(key)) assert.equal(found.get(key)?.kind ?? "gone", state, key);
      }
      const own = (await devices.devices()).filter(({ id }) => /^containerd-(?!base-)/.test(id));
      assert.deepEqual(own.map(({ id }) => id).sort(), [...found.values()].map(({ device }) => device).sort());
      assert.deepEqual(await devices.check(), []);
      // What was cut short can be done again.
      for (const key of unsure) {
        if (found.get(key)?.kind === "active") await snapshotter.remove(key);
        if (found.get(key)?.kind === "committed") lasting.add(key);
        else await snapshotter.create("active", key, "", {});
      }
      for (const key of unsure) if (!lasting.has(key)) await snapshotter.remove(key);
      for (const { key, kind } of found.values()) if (kind === "committed") lasting.add(key);
      await snapshotter.close();
      await devices.close();
    }
    assert.ok(lasting.size > 0);
  },
);

async function runAndKill({ root, runDir }: TestGraph, afterMs: number): Promise<Told> {
  const program = spawn(process.execPath, ["--import", "tsx", child, root, runDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const told: Told = { states: new Map(), last: new Map() };
  const lines = createInterface({ input: program.stdout });
  const states: Record<string, State> = { made: "active", committed: "committed", removed: "gone" };
  lines.on("line", (line) => {
    const [change, key] = line.split(" ");
    told.last.set(key.split("-")[0], line);
    if (change in states) told.states.set(key, states[change]);
    if (change === "committed") told.states.set(key.replace(/-layer$/, ""), "gone");
  });
  await once(lines, "line");
  await sleep(afterMs);
  program.kill("SIGKILL");
  await once(lines, "close");
  return told;
}

/** Keys of what a worker was at when it had told a line last. */
function nextTouched(line: string): string[] {
  const [change, key] = line.split(" ");
  const [worker, pid, roundText, kind] = key.split("-");
  const round = Number(roundText);
  const next = `${worker}-${pid}-${round + 1}`;
  if (change === "begun") return [`${worker}-${pid}-0`];
  if (change === "made") return kind === "child" ? [key] : [key, `${key}-layer`];
  if (change === "committed") return [key.replace(/-layer$/, "-child")];
  return kind === "child" && round % 2 === 1 ? [key.replace(/-child$/, "-layer")] : [next];
}
