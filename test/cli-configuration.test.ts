import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { micaCommand, outcomeOf, type Outcome } from "./cli-support.ts";

suite("the configuration file", { concurrency: 2 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "mica-config-"));
  after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "config.toml");
  writeFileSync(file, `root = "${folder}/of-the-file"\nstorage-opts = ["dm.basesize=300M"]\n`);

  function mica(environment: Record<string, string>, ...args: string[]): Promise<Outcome> {
    const env = { ...process.env, ...environment };
    return outcomeOf(spawn(process.execPath, [micaCommand, ...args], { env }));
  }

  const absent = (root: string): RegExp => new RegExp(`Cannot open a graph in ${folder}/${root}: there is none`);

  test("is used, but the environment wins over it, and the line over both", async () => {
    assert.match((await mica({ MICA_CONFIG: file }, "ls")).stderr, absent("of-the-file"));
    const environment = { MICA_CONFIG: file, MICA_ROOT: `${folder}/of-the-environment` };
    assert.match((await mica(environment, "ls")).stderr, absent("of-the-environment"));
    assert.match((await mica(environment, "ls", "--root", `${folder}/of-the-line`)).stderr, absent("of-the-line"));
    assert.match((await mica({}, "--config", file, "ls")).stderr, absent("of-the-file"));
  });

  test("has to be there when it is named, and to be right", async () => {
    const missing = await mica({}, "--config", join(folder, "no.toml"), "ls");
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /no\.toml': there is no such file/);
    const wrong = join(folder, "wrong.toml");
    writeFileSync(wrong, 'device-mapper = "both"\n');
    const refused = await mica({}, "--config", wrong, "ls");
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /Cannot read the configuration '.*wrong\.toml': device-mapper: it has to be "kernel"/);
  });

  test("--device-mapper takes nothing else", async () => {
    const { status, stderr } = await mica({}, "--device-mapper", "other", "ls");
    assert.equal(status, 2);
    assert.match(stderr, /Allowed choices are kernel, userspace/);
  });
});
