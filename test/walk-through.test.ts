import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { cannotRun } from "../src/device-mapper/userspace/test-pool.ts";

const run = promisify(execFile);
const script = resolve(import.meta.dirname, "../examples/walk-through.sh");
/** What the article makes; whoever has such a file keeps it. */
const paths = [
  "/tmp/data.img",
  "/tmp/meta.data.img",
  "/mnt/base",
  "/mnt/mysnap1",
  "/mnt/mysnap2",
  "/dev/mapper/mysnap1",
];
const taken = paths.find((path) => existsSync(path));

describe(
  "the walk-through of thin provisioning, with mica dmsetup",
  {
    skip: cannotRun || (taken !== undefined && `${taken} is there already`),
  },
  () => {
    const runDir = mkdtempSync(join(tmpdir(), "mica-walk-"));
    after(() => rmSync(runDir, { recursive: true, force: true }));

    test("the base stays as it is, the second snapshot has what the first one has, and nothing remains", async () => {
      const { stdout } = await run("bash", [script], {
        env: { ...process.env, MICA_RUN_DIR: runDir, DM_DEV_DIR: "/dev" },
        timeout: 60_000,
      });
      const said = stdout.slice(stdout.indexOf("hello world"));
      assert.match(
        said,
        /^hello world, I am a base\nid\.txt\nlost\+found\nhello world, I am a base\nI am snap1\nI am snap1\n/,
      );
      assert.match(stdout, /\/dev\/mapper\/hchen-thin-pool -> \/dev\/loop\d+/);
      assert.match(
        said,
        /^hchen-thin-pool: 0 20971522 thin-pool 0 \d+\/\d+ \d+\/163840 - rw discard_passdown queue_if_no_space - \d+ $/m,
      );
      for (const name of ["hchen-thin-volumn-001", "mysnap1", "mysnap2"]) {
        assert.match(said, new RegExp(`^${name}: 0 2097152 thin \\d+ \\d+$`, "m"));
      }
      assert.match(said, /^mysnap2: 0 2097152 thin 7:\d+ 2$/m);
      for (const path of paths) assert.equal(existsSync(path), false, path);
      assert.deepEqual(
        readdirSync(runDir).filter((name) => name.startsWith("hchen") && !name.endsWith(".lock")),
        [],
      );
    });
  },
);
