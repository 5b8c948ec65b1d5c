import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openFolderStore } from "../src/image/testing/open-folder-store.ts";
import type { FolderDevices } from "../src/image/testing/folder-devices.ts";
import type { Store } from "../src/image/store.ts";
import type { Patience } from "../src/registry/patience.ts";
import { missingForRegistry, startRegistry, type Registry, type RegistryConfiguration } from "./docker-registry.ts";

const execute = promisify(execFile);

/** Little of it: what is to fail fails at once. */
export const impatience: Patience = { connectMs: 2000, answerMs: 2000, stallMs: 500, retries: 3, pauseMs: 10 };

/** A store on folders, and a real registry. */
export interface RegistryBench {
  store: Store;
  devices: FolderDevices;
  /** A folder of the test's own. */
  top: string;
  registry: Registry;
}

/** Skips the test where something is missing; else starts all of it, which goes with the test. */
export async function registryBench(
  t: TestContext,
  configuration?: RegistryConfiguration,
): Promise<RegistryBench | undefined> {
  const missing = missingForRegistry() ?? (existsSync("/usr/bin/skopeo") ? undefined : "not installed: skopeo");
  if (missing !== undefined) {
    t.skip(missing);
    return undefined;
  }
  const bench = await openFolderStore(t);
  const registry = await startRegistry(join(bench.top, "registry"), configuration);
  t.after(() => registry.stop());
  return { ...bench, registry };
}

/** Runs skopeo, which must work. */
export async function skopeo(...args: string[]): Promise<string> {
  return (await execute("skopeo", args, { maxBuffer: 16 << 20 })).stdout;
}
