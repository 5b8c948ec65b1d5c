import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { openImageStore } from "../image-store.ts";
import type { Store } from "../store.ts";
import { FolderDevices } from "./folder-devices.ts";

/** A store on folders in a temporary folder, which goes when the test is over. */
export async function openFolderStore(t: TestContext): Promise<{ store: Store; devices: FolderDevices; top: string }> {
  const top = mkdtempSync(join(tmpdir(), "mica-image-"));
  t.after(() => rmSync(top, { recursive: true, force: true }));
  const devices = new FolderDevices(join(top, "graph"));
  return { store: await openImageStore(devices), devices, top };
}
