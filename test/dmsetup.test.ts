/** Every command line of test/fixtures/dmsetup that devices in user space can have, against what the real dmsetup did on the kernel's. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { cannotRun } from "../src/device-mapper/userspace/test-pool.ts";
import { attachLoop, detachLoop } from "../src/linux/loop.ts";
import { packageFile } from "../src/linux/package-root.ts";
import type { DrivenStep } from "./dmsetup-driver.ts";
import { backingMebibytes, normalise, type Outcome, parseSessions, sessionsFile } from "./dmsetup-sessions.ts";

/** Lines on which the two differ in user space, and why. */
const otherwise = new Map([["dmsetup info empty", "a device without a table has no block device"]]);

suite("dmsetup in user space", { skip: cannotRun }, () => {
  const folder = mkdtempSync(join(tmpdir(), "mica-dmsetup-test-"));
  const deviceDir = join(folder, "dev");
  const sections = parseSessions(readFileSync(sessionsFile, "utf8"));
  const loops = new Map<string, string>();
  let driven: DrivenStep[] = [];
  const run = (...words: string[]) => {
    const places = { DM_DEV_DIR: deviceDir, MICA_RUN_DIR: join(folder, "run"), MICA_DEVICE_MAPPER: "userspace" };
    const env = { ...process.env, ...Object.fromEntries(loops), ...places };
    return spawnSync(process.execPath, ["--import", "tsx", ...words], { env, encoding: "utf8", timeout: 120_000 });
  };

  before(() => {
    for (const [name, mebibytes] of Object.entries(backingMebibytes)) {
      const file = join(folder, name);
      writeFileSync(file, "");
      truncateSync(file, mebibytes << 20);
      loops.set(name, attachLoop(file));
    }
    mkdirSync(join(deviceDir, "mapper"), { recursive: true });
    const output = join(folder, "driven.json");
    const { status, stderr } = run(
      packageFile("test/dmsetup-driver.ts"),
      "userspace",
      output,
      fileURLToPath(sessionsFile),
    );
    assert.equal(status, 0, stderr);
    driven = JSON.parse(readFileSync(output, "utf8")) as DrivenStep[];
  });
  after(() => {
    // Also where the sessions broke off.
    run(packageFile("src/cli/main.ts"), "dmsetup", "remove_all", "--force");
    for (const loop of loops.values()) detachLoop(loop, { deferred: true });
    rmSync(folder, { recursive: true });
  });

  for (const { title, steps } of sections) {
    test(`${title}: as the real one`, (t) => {
      const mine = driven.filter(({ section }) => section === title);
      const recorded = steps.filter((step) => step.kind === "command" && step.kernelOnly === undefined);
      assert.equal(mine.length, recorded.length);
      const different: { line: string; expected: Outcome; actual: Outcome }[] = [];
      for (const [index, step] of recorded.entries()) {
        if (step.kind !== "command") continue;
        const { line, outcome, devices } = mine[index];
        const actual = normalise(outcome, devices, deviceDir);
        if (!isDeepStrictEqual(actual, step.recorded)) different.push({ line, expected: step.recorded, actual });
      }
      const unknown = different.filter(({ line }) => !otherwise.has(line));
      assert.deepEqual(unknown, []);
      const known = recorded.filter((step) => step.kind === "command" && otherwise.has(step.line)).length;
      if (known > 0) t.diagnostic(`${known} of ${recorded.length} lines are known to differ`);
    });
  }
});
