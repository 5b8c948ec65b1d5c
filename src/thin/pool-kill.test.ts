import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parsePoolTable } from "./pool-table.ts";
import { Pool } from "./pool.ts";
import { PoolModel } from "./testing/pool-model.ts";
import { Random } from "./testing/random.ts";
import { thinCheckFile } from "./testing/test-pool.ts";
import { applyToModel, readAll, Workload } from "./testing/workload.ts";

const child = fileURLToPath(new URL("./testing/kill-child.ts", import.meta.url));
const shape = { blockBytes: 65536, deviceBytes: 16 * 65536, maxDevices: 6 };
const dataBlocks = 200;

/** Runs the child until it has acknowledged about `count` operations, kills it, and says how many it acknowledged. */
async function killAfter(count: number, args: readonly string[]): Promise<number> {
  const running = spawn(process.execPath, ["--import", "tsx", child, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let acknowledged = 0;
  let errors = "";
  running.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  running.stdout.on("data", (chunk: Buffer) => {
    acknowledged += chunk.length;
    if (acknowledged >= count) running.kill("SIGKILL");
  });
  const [, signal] = (await once(running, "close")) as [number | null, string | null];
  assert.equal(signal, "SIGKILL", errors);
  return acknowledged;
}

test("an engine killed at work in real files loses nothing that it acknowledged, ten times", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mica-kill-"));
  const journals = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "mica-kill-"));
  const random = new Random(77);
  try {
    for (let round = 0; round < 10; round++) {
      const paths = [
        join(folder, `metadata-${round}`),
        join(folder, `data-${round}`),
        join(journals, `journal-${round}`),
      ];
      for (const [path, size] of [
        [paths[0], 4 << 20],
        [paths[1], dataBlocks * 65536],
      ] as const) {
        closeSync(openSync(path, "w"));
        truncateSync(path, size);
      }
      const line = `0 ${dataBlocks * 128} thin-pool ${paths[0]} ${paths[1]} 128 0`;
      const seed = 1000 + round;
      const acknowledged = await killAfter(20 + random.below(1500), [
        ...paths,
        line,
        `${seed}`,
        `${shape.deviceBytes}`,
      ]);

      const workload = new Workload(new Random(seed), shape);
      const model = new PoolModel();
      for (let index = 0; index < acknowledged; index++) applyToModel(model, workload.next(model), shape);
      const next = model.snapshot();
      applyToModel(next, workload.next(next), shape);

      const table = parsePoolTable(line);
      const pool = Pool.open({ metadataPath: paths[0], dataPath: paths[1], journalPath: paths[2], table });
      for (const [id, device] of model.devices) {
        if (!pool.metadata.has(id)) {
          assert.ok(!next.devices.has(id), `device ${id} is lost`);
          continue;
        }
        const found = readAll(pool, id, shape.deviceBytes);
        const before = device.read(0, shape.deviceBytes);
        const after = next.devices.get(id)?.read(0, shape.deviceBytes) ?? before;
        const at = found.findIndex((byte, index) => byte !== before[index] && byte !== after[index]);
        assert.equal(at, -1, `round ${round}: device ${id} differs at byte ${at} after ${acknowledged} operations`);
      }
      assert.equal(pool.close(), 0);
      thinCheckFile(paths[0]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(journals, { recursive: true, force: true });
  }
});
