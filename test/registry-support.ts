import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { writeOciLayout, type TestImage } from "../src/image/testing/make-images.ts";
import { openFolderStore } from "../src/image/testing/open-folder-store.ts";
import type { FolderDevices } from "../src/image/testing/folder-devices.ts";
import type { Store } from "../src/image/store.ts";
import type { Patience } from "../src/registry/patience.ts";
import { missingForRegistry, startRegistry, type Registry, type RegistryConfiguration } from "./docker-registry.ts";

const execute = promisify(execFile);

/** Little of it: what is to fail fails at once. */
export const impatience: Patience = { connectMs: 2000, answerMs: 1000, stallMs: 500, retries: 3, pauseMs: 10 };

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

/** Copies test images into a registry, with skopeo, under `name` ("team/app:1"). */
export async function pushWithSkopeo(
  { top }: { top: string },
  address: string,
  images: TestImage[],
  name: string,
  options: { manifests?: object[]; args?: string[] } = {},
): Promise<void> {
  const layout = join(top, `layout-${Math.random().toString(36).slice(2)}`);
  writeOciLayout(layout, images, options.manifests);
  await skopeo(
    "copy",
    "--dest-tls-verify=false",
    ...(options.args ?? []),
    `oci:${layout}`,
    `docker://${address}/${name}`,
  );
}

/** What a failed or ended pull may leave behind: nothing, but what was there before. */
export function leftInStore(devices: FolderDevices): { devices: string[]; files: string[]; mounted: string[] } {
  const files = ["tmp", "pending", "layers"].flatMap((folder) => readdirSync(join(devices.root, "image", folder)));
  return { devices: devices.ids(), files, mounted: [...devices.mounts.keys()] };
}

/** Nothing at all. */
export const nothingLeft = { devices: [], files: [], mounted: [] };
