import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { packageFile } from "../src/linux/package-root.ts";
import { run } from "./cli-support.ts";

const unit = readFileSync(packageFile("packaging/systemd/mica.service"), "utf8");
const settings = unit.split("\n").filter((line) => /^\w+=/.test(line));

test("systemd finds nothing wrong in the unit", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mica-unit-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "mica.service");
  writeFileSync(file, unit.replace("/usr/bin/mica ", `${process.execPath} `)); // a program that is here
  try {
    const { status, stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", file]);
    assert.deepEqual([status, stdout, stderr], [0, "", ""]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    t.skip("needs systemd-analyze");
  }
});

test("only the daemon ends with the unit, and its mounts are the host's", () => {
  for (const line of ["Type=notify", "KillMode=process", "Delegate=yes"]) assert.ok(settings.includes(line), line);
  const ownNamespace = /^(Private|Protect|ReadOnly|ReadWrite|Inaccessible|Bind|Temporary|Mount|Root|Runtime)\w*=/;
  assert.deepEqual(
    settings.filter((line) => ownNamespace.test(line)),
    [],
  );
});
