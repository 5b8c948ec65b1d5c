import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { missingRequirement } from "../src/cli/requirements.ts";
import { writeOciLayout } from "../src/cli/demo/oci-layout.ts";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";

/** The command as a user has it. */
export const micaCommand = fileURLToPath(new URL("../bin/mica", import.meta.url));

/** What a command left behind. */
export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A graph of its own in a temporary folder, small enough to make in no time. */
export interface Scratch {
  folder: string;
  root: string;
  runFolder: string;
  /** Starts `mica ARGS` on it. */
  start: (...args: string[]) => ChildProcess;
  /** Runs `mica ARGS` on it. */
  mica: (...args: string[]) => Promise<Outcome>;
  /** Runs `mica ARGS`, which must work, and returns what it printed, without the last line end. */
  ok: (...args: string[]) => Promise<string>;
  /** Runs `mica ARGS --json`, which must work, and returns the answer. */
  json: <T>(...args: string[]) => Promise<T>;
  /** Mounts, loop devices and processes that belong to it. */
  leftovers: () => string[];
}

/** The options of its graph. */
export const smallPool = ["dm.basesize=256M", "dm.loopdatasize=2G", "dm.loopmetadatasize=32M"];

/** Skips the test, and says why, on a machine that cannot run a pool. */
export function lacksRequirement(t: TestContext): boolean {
  const missing = missingRequirement();
  if (missing !== undefined) t.skip(missing);
  return missing !== undefined;
}

/**
 * Makes a scratch graph's folder; the graph itself comes with the first command. All of it is gone after the test.
 *
 * @param end what is to end before the graph is shut down after the test
 */
export function scratchGraph(t: TestContext, end?: () => Promise<unknown>): Scratch {
  const folder = mkdtempSync(join(tmpdir(), "mica-cli-"));
  const root = join(folder, "graph");
  const runFolder = join(folder, "run");
  const env = { ...process.env, MICA_RUN_DIR: runFolder, MICA_ROOT: root };
  const options = smallPool.flatMap((option) => ["--storage-opt", option]);
  const start = (...args: string[]): ChildProcess =>
    spawn(process.execPath, [micaCommand, ...(existsSync(root) ? [] : options), ...args], { env });
  const mica = (...args: string[]): Promise<Outcome> => outcomeOf(start(...args));
  const ok = async (...args: string[]): Promise<string> => {
    const outcome = await mica(...args);
    if (outcome.status !== 0)
      throw new Error(`mica ${args.join(" ")} ended with ${outcome.status ?? "?"}: ${outcome.stderr}`);
    return outcome.stdout.replace(/\n$/, "");
  };
  const scratch = {
    folder,
    root,
    runFolder,
    start,
    mica,
    ok,
    json: async <T>(...args: string[]) => JSON.parse(await ok("--json", ...args)) as T,
    leftovers: () => leftoversIn(folder),
  };
  t.after(async () => {
    await end?.();
    if (existsSync(root)) await mica("shutdown");
    await removeLeftovers(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  return scratch;
}

/** Waits for a command's end; `input` goes to its standard input. */
export async function outcomeOf(child: ChildProcess, input?: Uint8Array): Promise<Outcome> {
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve([status, signal]));
  });
  const [stdout, stderr, [status, signal]] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  return { status, signal, stdout, stderr };
}

/** An OCI layout of two small layers: files in the lower one; the upper changes one, deletes one and adds one. */
export async function smallImage(folder: string): Promise<string> {
  const lower = join(folder, "lower");
  const upper = join(folder, "upper");
  mkdirSync(join(lower, "etc"), { recursive: true });
  mkdirSync(join(lower, "data"), { recursive: true });
  mkdirSync(join(upper, "etc"), { recursive: true });
  writeFileSync(join(lower, "etc/name"), "lower\n");
  writeFileSync(join(lower, "etc/gone"), "gone\n");
  writeFileSync(join(lower, "data/block"), Buffer.alloc(300_000, "block"));
  writeFileSync(join(upper, "etc/name"), "upper\n");
  writeFileSync(join(upper, "etc/.wh.gone"), "");
  writeFileSync(join(upper, "etc/new"), "new\n");
  const layout = join(folder, "layout");
  await writeOciLayout(layout, [lower, upper], { Cmd: ["/bin/sh"], WorkingDir: "/" });
  return layout;
}

/** Runs another program and returns what it did. */
export function run(program: string, args: string[]): Promise<Outcome> {
  return outcomeOf(spawn(program, args));
}
