import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { packageFile } from "../../src/linux/package-root.ts";
import { ranInKernel } from "./ran-in-kernel.ts";
import { runInUserModeLinux, thinPoolModules, userModeLinuxName } from "./user-mode-linux.ts";

/** What a script in User-mode Linux found out, by the names it gave to that. */
export interface Facts {
  text: (name: string) => string;
  /** Without empty ones. */
  lines: (name: string) => string[];
  json: (name: string) => unknown;
}

/** `fact NAME COMMAND…` keeps what a command prints; `refused COMMAND…` fails unless it does, and prints what it says. */
const functions = String.raw`
fact() { local name=$1; shift; "$@" >"$OUT/$name"; }
refused() { if "$@" 2>&1; then return 1; fi; }
`;

/** A folder of this machine that a script in User-mode Linux can write to; gone after the test. */
export function factsFolder(t: TestContext): string {
  mkdirSync(packageFile(".cache"), { recursive: true });
  const folder = mkdtempSync(packageFile(".cache/facts-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Runs scripts, one after the other, in a User-mode Linux that has the kernel's thin pools, and returns the facts that they left. */
export async function factsOf(t: TestContext, folder: string, ...scripts: readonly string[]): Promise<Facts> {
  await runInUserModeLinux([functions, ...scripts].join("\n"), {
    modules: thinPoolModules,
    mebibytes: 2048,
    timeoutMs: 300_000,
    output: folder,
  });
  ranInKernel(t, userModeLinuxName(), 1);
  const text = (name: string): string => readFileSync(join(folder, name), "utf8");
  return {
    text,
    lines: (name) => text(name).split("\n").filter(Boolean),
    json: (name) => JSON.parse(text(name)) as unknown,
  };
}
