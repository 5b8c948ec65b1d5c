import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { micaCommand } from "./cli-support.ts";

/** What a tool did. */
export interface ToolOutcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const mostOutput = 1 << 28;

function outcomeOf(program: string, words: readonly string[]): ToolOutcome {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8", maxBuffer: mostOutput });
  return { status, stdout, stderr };
}

/** Runs a tool of Mica's. */
export function ours(tool: string, ...words: string[]): ToolOutcome {
  return outcomeOf(process.execPath, [micaCommand, tool, ...words]);
}

/** Runs a tool of Debian's. */
export function theirs(tool: string, ...words: string[]): ToolOutcome {
  return outcomeOf(`/usr/sbin/${tool}`, words);
}

/** A tool of Mica's works, and prints what Debian's does. */
export function requireSameOutput(tool: string, ...words: string[]): void {
  const { status, stdout, stderr } = ours(tool, ...words);
  assert.equal(status, 0, stderr);
  // Not `equal`: there may be megabytes of it.
  assert.ok(stdout === theirs(tool, ...words).stdout, `${tool} ${words.join(" ")}`);
}

/** Every field that thin_ls has. */
export const allFields = [
  "DEV",
  ...["MAPPED", "EXCLUSIVE", "SHARED"].flatMap((field) =>
    ["_BLOCKS", "_SECTORS", "_BYTES", ""].map((unit) => field + unit),
  ),
  "TRANSACTION,CREATE_TIME,SNAP_TIME",
].join(",");

/** Runs a tool of Mica's by its own name, through a symbolic link in a folder. */
export function byName(folder: string, tool: string, ...words: string[]): ToolOutcome {
  const link = join(folder, tool);
  if (!existsSync(link)) symlinkSync(micaCommand, link);
  return outcomeOf(link, words);
}

/** Skips the test where Debian's tools are not there. */
export function lacksDebiansTools(t: TestContext): boolean {
  const missing = !existsSync("/usr/sbin/thin_check");
  if (missing) t.skip("thin-provisioning-tools are not installed");
  return missing;
}

/** A folder that is gone after the test. */
export function scratchFolder(t: { after: (done: () => void) => void }): string {
  const folder = mkdtempSync(join(tmpdir(), "mica-thin-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
