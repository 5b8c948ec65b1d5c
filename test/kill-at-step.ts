import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Outcome, outcomeOf } from "./cli-support.ts";

/** System calls by which a command changes anything: files, links, loop devices, mounts, what other processes do. */
const changing = [
  ...["rename", "symlink", "unlink", "rmdir", "mkdir", "link", "ftruncate", "fallocate"],
  ...["write", "pwrite64", "ioctl", "mount", "umount2", "kill", "clone", "clone3", "vfork"],
];

/** Of those, the lines that change nothing: streams and the event loop's own wakings, questions, what was there. */
const unchanging = /^\w+\([0-2]<|<pipe:|eventfd|TCGETS|FIONBIO|FIOCLEX|CLONE_THREAD|= -1 E/;

/** A command, and the environment that it is to have. */
export interface Command {
  program: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
}

/** A system call of a command: the nth of its name in its thread. */
interface Step {
  call: string;
  occurrence: number;
  /** As strace tells it. */
  text: string;
}

/** What is around a command that is killed. */
export interface Killed {
  /** Has done what the command needs. */
  prepare?: (() => Promise<unknown>) | undefined;
  /** What whoever meets the rest of a killed command does next. */
  goOn: () => Promise<unknown>;
  /** Fails unless all is as the command was to make it; leaves all as it was before `prepare`, and fails if it is not. */
  finish: () => Promise<unknown>;
}

/** Why commands cannot be killed at a step here, or false. */
export function cannotTrace(): string | false {
  const { status } = spawnSync("strace", ["-qq", "-o", "/dev/null", "true"]);
  return status === 0 ? false : "needs strace, and leave to trace processes";
}

/** Runs a command to its end, and then anew for each of its steps, before which it is killed. */
export async function killAtEachStep(
  t: TestContext,
  command: Command,
  { prepare, goOn, finish }: Killed,
): Promise<void> {
  await prepare?.();
  const { outcome, steps } = await stepsOf(command);
  assert.equal(outcome.status, 0, outcome.stderr);
  await finish();
  let kills = 0;
  for (const step of steps) {
    try {
      await prepare?.();
      if (await killedBefore(step, command)) kills++;
      await goOn();
      await finish();
    } catch (error) {
      throw new Error(`killed before ${step.text}: ${String(error)}`, { cause: error });
    }
  }
  t.diagnostic(`killed at ${kills} of ${steps.length} steps`);
  assert.ok(kills > steps.length / 2);
}

/** Runs a command to its end. @returns what it changed, step by step; of the processes that it starts, nothing */
async function stepsOf(command: Command): Promise<{ outcome: Outcome; steps: Step[] }> {
  const folder = mkdtempSync(join(tmpdir(), "mica-steps-"));
  try {
    const trace = join(folder, "trace");
    const outcome = await traced(command, "-y", "-o", trace, "-e", `trace=${changing.join()}`);
    const counts = new Map<string, number>();
    const steps: Step[] = [];
    for (const [, thread, text, call] of readFileSync(trace, "utf8").matchAll(/^(\d+) +((\w+)\(.*)$/gm)) {
      const occurrence = (counts.get(`${thread} ${call}`) ?? 0) + 1;
      counts.set(`${thread} ${call}`, occurrence);
      if (!unchanging.test(text)) steps.push({ call, occurrence, text });
    }
    return { outcome, steps };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Runs a command that is killed (SIGKILL) as it is about to do one of its steps.
 *
 * @returns false when it was not, and did its work: a call that wakes another thread, of the same name, is not needed each time
 */
async function killedBefore({ call, occurrence }: Step, command: Command): Promise<boolean> {
  const inject = `inject=${call}:signal=SIGKILL:when=${occurrence}`;
  const { signal, status, stderr } = await traced(command, "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject);
  assert.ok(signal === "SIGKILL" || status === 0, stderr);
  return signal === "SIGKILL";
}

function traced({ program, args, env }: Command, ...options: string[]): Promise<Outcome> {
  // Its threads, but not its children. With one thread beside the first, a step is always the same occurrence.
  const strace = ["-f", "-b", "execve", "-qq", "-e", "signal=none", ...options];
  return outcomeOf(spawn("strace", [...strace, program, ...args], { env: { ...env, UV_THREADPOOL_SIZE: "1" } }));
}
