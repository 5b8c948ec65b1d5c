import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { commandNames } from "../src/cli/command-list.ts";
import { micaCommand, outcomeOf } from "./cli-support.ts";
import type { Outcome } from "./cli-support.ts";

function mica(...args: string[]): Promise<Outcome> {
  return outcomeOf(spawn(process.execPath, [micaCommand, ...args]));
}

const names = commandNames();

suite("what mica says of itself", { concurrency: 2 }, () => {
  test("--help, help and a bare mica list every command and the first steps", async () => {
    for (const words of [["--help"], ["help"], []]) {
      const { status, stdout, stderr } = await mica(...words);
      assert.equal(status, 0);
      assert.equal(stderr, "");
      for (const name of names.filter((each) => !each.includes(" "))) {
        assert.match(stdout, new RegExp(`^  ${name} `, "m"));
      }
      assert.match(stdout, /First steps/);
    }
  });

  for (const name of names) {
    test(`${name} --help explains and gives examples`, async () => {
      const { status, stdout } = await mica(...name.split(" "), "--help");
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`^Usage: mica ${name} \\[options\\]`));
      assert.match(stdout, /--root <dir>/);
      if (name !== "version") assert.match(stdout, /Examples:\n {2}\$ .*mica/);
      assert.deepEqual(await mica("help", ...name.split(" ")), { status: 0, signal: null, stdout, stderr: "" });
    });
  }

  test("version and --version tell the package's version", async () => {
    assert.match((await mica("--version")).stdout, /^\d+\.\d+\.\d+\n$/);
    const answer = JSON.parse((await mica("version", "--json")).stdout) as Record<string, string>;
    assert.equal(answer.node, process.version);
  });
});

suite("wrong usage ends with status 2", { concurrency: 2 }, () => {
  const lines: [words: string[], says: RegExp][] = [
    [["mouny"], /unknown command 'mouny'[^]*Did you mean mount\?/],
    [["mount"], /missing required argument 'container'[^]*mica mount --help/],
    [["ls", "more"], /too many arguments/],
    [["ls", "--bogus"], /unknown option '--bogus'/],
    [["--format", "yaml", "ls"], /Allowed choices are table, json/],
    [["create", "app", "--size", "much"], /Cannot read size 'much'/],
    [["block", "web", "-1"], /unknown option|counted from 0/],
    [["block", "web", "x"], /counted from 0/],
    [["--storage-opt", "dm.nonsense=1", "info"], /dm\.nonsense/],
    [["--storage-opt", "dm.blocksize=lots", "info"], /lots/],
    [["--storage-opt", "dm.blocksize=100K", "info"], /dm\.blocksize/],
    [["rm"], /missing required argument/],
  ];
  for (const [words, says] of lines) {
    test(words.join(" "), async () => {
      const folder = mkdtempSync(join(tmpdir(), "mica-usage-"));
      try {
        const { status, stdout, stderr } = await mica("--root", join(folder, "graph"), ...words);
        assert.match(stderr, says);
        assert.match(stderr, /^mica: /);
        assert.equal(stderr.includes("    at "), false, "a stack is shown");
        assert.equal(stdout, "");
        assert.equal(status, 2);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }

  test("with --json the error is JSON", async () => {
    const { status, stderr } = await mica("--json", "mount");
    assert.equal(status, 2);
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
    assert.equal(error.code, "USAGE");
    assert.match(error.message, /missing required argument/);
  });
});

suite("a folder without a graph", { concurrency: 2 }, () => {
  const root = join(tmpdir(), "mica-there-is-no-such-folder");

  test("is refused by commands that only look or change, wherever --root stands", async () => {
    for (const words of [
      ["--root", root, "ls"],
      ["ls", "--root", root],
      [`--root=${root}`, "rm", "web"],
    ]) {
      const { status, stderr } = await mica(...words);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`Cannot open a graph in ${root}: there is none`));
    }
  });

  test("has nothing to shut down", async () => {
    assert.equal((await mica("shutdown", "--root", root)).status, 0);
  });
});
