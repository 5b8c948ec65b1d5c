/** Every command line of test/fixtures/dmsetup with the real dmsetup, and with Mica's on the kernel's device mapper, on devices made alike. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { attachLoop, detachLoop } from "../../src/linux/loop.ts";
import type { DrivenStep } from "../dmsetup-driver.ts";
import {
  backingDevices,
  backingMebibytes,
  comparable,
  formatSessions,
  normalise,
  type Outcome,
  parseSessions,
  sessionScript,
} from "../dmsetup-sessions.ts";

const scratch = process.env["SCRATCH"] ?? "";
const sessions = process.env["MICA_DMSETUP_SESSIONS"] ?? "";
/** Where to write the fixture anew; undefined: it is compared. */
const record = process.env["MICA_DMSETUP_RECORD"];
const here = dirname(fileURLToPath(import.meta.url));

function run(program: string, ...words: string[]): void {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

suite("dmsetup", () => {
  const sections = parseSessions(readFileSync(sessions, "utf8"));
  const steps = sections.flatMap((section) => section.steps.filter((step) => step.kind === "command"));
  const loops: string[] = [];
  const theirs: Outcome[] = [];
  let ours: DrivenStep[] = [];

  before(() => {
    for (const [name, mebibytes] of Object.entries(backingMebibytes)) {
      const file = join(scratch, name);
      writeFileSync(file, "");
      truncateSync(file, mebibytes << 20);
      loops.push(attachLoop(file));
      process.env[name] = loops.at(-1);
    }
    const folder = join(scratch, "real");
    mkdirSync(folder);
    const script = join(scratch, "sessions.sh");
    writeFileSync(script, sessionScript(sections, backingDevices(), folder));
    run("bash", script);
    for (const number of steps.keys()) {
      const read = (suffix: string) => readFileSync(join(folder, `${number}.${suffix}`), "utf8");
      theirs.push({ status: Number(read("status")), stdout: read("out"), stderr: read("err") });
    }
    const output = join(scratch, "ours.json");
    run(process.execPath, join(here, "dmsetup-driver.mjs"), "kernel", output, sessions);
    ours = JSON.parse(readFileSync(output, "utf8")) as DrivenStep[];
    assert.equal(ours.length, steps.length);
  });
  after(() => {
    for (const loop of loops) detachLoop(loop, { deferred: true });
  });

  for (const { title } of sections) {
    test(`${title}: as the real one`, () => {
      const different: { line: string; expected: Outcome; actual: Outcome }[] = [];
      for (const [index, { section, line, outcome }] of ours.entries()) {
        if (section !== title) continue;
        const [expected, actual] = [comparable(theirs[index]), comparable(outcome)];
        if (!isDeepStrictEqual(actual, expected)) different.push({ line, expected, actual });
      }
      assert.deepEqual(different, []);
    });
  }

  test("what is recorded of the real one is what it does", () => {
    for (const [index, step] of steps.entries()) step.recorded = normalise(theirs[index], ours[index].devices, "/dev");
    const text = formatSessions(sections);
    if (record !== undefined) writeFileSync(record, text);
    else assert.equal(text, readFileSync(sessions, "utf8"));
  });

  test("called through a symbolic link, it is a program", () => {
    const link = join(scratch, "dmsetup");
    symlinkSync(join(here, "mica.mjs"), link);
    const { status, stderr } = spawnSync(process.execPath, [link, "remove", "nonesuch", "--device-mapper=kernel"], {
      encoding: "utf8",
    });
    assert.equal(
      stderr,
      "device-mapper: remove ioctl on nonesuch  failed: No such device or address\nCommand failed.\n",
    );
    assert.equal(status, 1);
  });
});
