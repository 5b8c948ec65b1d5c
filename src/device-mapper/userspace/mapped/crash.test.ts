import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cannotRun, TestPool } from "../test-pool.ts";
import { segmentsOf } from "./check-table.ts";
import { userspaceMappedDevices } from "./userspace-mapped-devices.ts";

const KILLS = 12;

/** Makes, changes, renames and removes a device over and over, and says when it begins. */
const changer = (options: { runDir: string; deviceDir: string }, pool: string) => `
  const { userspaceMappedDevices } = await import(${JSON.stringify(import.meta.resolve("./userspace-mapped-devices.ts"))});
  const devices = userspaceMappedDevices(${JSON.stringify(options)});
  const thin = (length) => [{ start: 0, length, target: "thin", parameters: ${JSON.stringify(`${pool} 1`)} }];
  process.stdout.write("begins\\n");
  for (;;) {
    await devices.create("one", { uuid: "MICA-ONE" });
    await devices.load("one", thin(2048));
    await devices.resume("one");
    await devices.load("one", [...thin(2048), { start: 2048, length: 8, target: "error", parameters: "" }]);
    await devices.resume("one");
    await devices.rename("one", "two");
    await devices.suspend("two");
    await devices.resume("two");
    await devices.remove("two");
  }
`;

describe("a program that is killed while it changes a device in user space", { skip: cannotRun }, () => {
  const pool = new TestPool();
  const deviceDir = join(pool.folder, "dev");
  const mapped = userspaceMappedDevices({ runDir: pool.runDir, deviceDir });
  before(async () => {
    await pool.create("pool", 64);
    await pool.mapper.message("pool", "create_thin 1");
  });
  after(() => pool.destroy());

  test(`${KILLS} kills, wherever they hit: what is left can be used or removed, and nothing is found twice`, async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      const program = spawn(
        process.execPath,
        ["--import", "tsx", "--input-type=module", "-e", changer({ runDir: pool.runDir, deviceDir }, "pool")],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      const ended = new Promise((resolve) => program.once("exit", resolve));
      await new Promise((resolve) => program.stdout.once("data", resolve));
      await sleep(200 * Math.random());
      program.kill("SIGKILL");
      await ended;
      const names = (await mapped.list()).map(({ name }) => name).filter((name) => name !== "pool");
      assert.ok(names.length <= 1, names.join(" "));
      for (const name of names) {
        const info = (await mapped.info(name))!;
        if (kill % 2 === 0 && !info.liveTable) {
          await mapped.load(name, segmentsOf("0 2048 thin pool 1"));
          await mapped.resume(name);
          assert.equal((await mapped.status(name)).length, 1);
        }
        await mapped.remove(name);
        assert.equal(await mapped.info(name), undefined);
      }
      const links = existsSync(join(deviceDir, "mapper")) ? readdirSync(join(deviceDir, "mapper")) : [];
      assert.deepEqual(links.filter((link) => link === "one" || link === "two"), []); // prettier-ignore
    }
    await mapped.remove("pool");
    await pool.nothingRemains();
  });
});
