import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { TestContext } from "node:test";
import { packageFile } from "../../src/linux/package-root.ts";
import { bundleForKernel } from "./bundle.ts";
import { ranInKernel } from "./ran-in-kernel.ts";
import {
  runInUserModeLinux,
  userModeLinuxName,
  userModeLinuxRelease,
  type UserModeLinuxOptions,
} from "./user-mode-linux.ts";

interface Result {
  name: string;
  failed: boolean;
  skip?: string;
  error?: string;
}

/** What to run in the kernel, and around it. */
export interface KernelSuite extends UserModeLinuxOptions {
  /** Test files, relative to the checkout. */
  files: readonly string[];
  /** Other programs that the tests start, by their source: bundled beside the tests as NAME.mjs. */
  programs?: Readonly<Record<string, string>>;
  /** Shell commands before the tests. */
  prelude?: string;
}

/**
 * Runs test files of this project inside User-mode Linux, each of their tests a subtest of `t`: one that fails there fails here.
 * A file is bundled first, as loading hundreds of files is slow there; `process.env.MICA_KERNEL` says that it runs in such a kernel.
 */
export async function runSuiteInKernel(t: TestContext, suite: KernelSuite): Promise<void> {
  mkdirSync(packageFile(".cache"), { recursive: true });
  const folder = mkdtempSync(packageFile(".cache/kernel-suite-"));
  try {
    const bundles = await bundle(folder, suite);
    const reporter = packageFile("test/kernel/result-reporter.mjs");
    const script = [
      `export MICA_KERNEL=user-mode-linux-${userModeLinuxRelease()}`,
      suite.prelude ?? "",
      `node --test --test-concurrency=1 --test-reporter=${reporter} ${bundles.join(" ")} || [ $? = 1 ]`,
    ].join("\n");
    const output = await runInUserModeLinux(script, suite);
    const results = [...output.matchAll(/^RESULT (.*)$/gm)].map((match) => JSON.parse(match[1]) as Result);
    if (results.length === 0) throw new Error(`No test ran in the kernel:\n${output}`);
    for (const result of results) await relay(t, result);
    const ran = results.filter(({ skip }) => skip === undefined).length;
    ranInKernel(t, userModeLinuxName(), ran);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function relay(t: TestContext, { name, failed, skip, error }: Result): Promise<void> {
  await t.test(name, (inner) => {
    if (failed) throw new Error(error ?? "failed in the kernel");
    if (skip !== undefined) inner.skip(skip);
  });
}

async function bundle(folder: string, { files, programs = {} }: KernelSuite): Promise<string[]> {
  const tests = Object.fromEntries(files.map((file) => [basename(file, ".ts"), file]));
  const others = Object.fromEntries(Object.entries(programs).map(([source, name]) => [name, source]));
  await bundleForKernel(folder, { ...tests, ...others });
  return Object.keys(tests).map((name) => join(folder, `${name}.mjs`));
}
