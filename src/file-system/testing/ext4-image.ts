import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { attachLoop, detachLoop } from "../../linux/loop.ts";
import { isMounted } from "../../linux/mount-table.ts";
import { mount, mountFlags, unmount } from "../../linux/mount.ts";

/** Whether file systems can be mounted here. */
export const cannotMount = process.getuid?.() === 0 ? false : "needs root: mounts and loop devices";

/** A folder that is removed when the test is over. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mica-fs-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An image file with a new file system, made by the real mkfs. */
export function makeImage(t: TestContext, sizeMiB: number, mkfs: string[]): string {
  const image = join(temporaryFolder(t), "image");
  writeFileSync(image, "");
  truncateSync(image, sizeMiB << 20);
  const [command, ...parameters] = mkfs;
  execFileSync(command, [...parameters, image], { stdio: ["ignore", "ignore", "pipe"] });
  return image;
}

/** A file system that is mounted, until `unmount` or the end of the test. */
export interface MountedImage {
  point: string;
  device: string;
  unmount(): void;
}

/** Mounts an image by the kernel's own driver. */
export function mountImage(t: TestContext, image: string, type: string, data = "", flags = 0): MountedImage {
  const point = mkdtempSync(join(tmpdir(), "mica-mnt-"));
  const device = attachLoop(image, { readOnly: (flags & mountFlags.readOnly) !== 0 });
  let held = true;
  const release = (how: "now" | "lazily"): void => {
    if (!held) return;
    held = false;
    if (isMounted(point)) unmount(point, { lazy: how === "lazily" });
    detachLoop(device, { deferred: true });
    rmdirSync(point);
  };
  const mounted = { point, device, unmount: () => release("now") };
  // Lazily, for a test that failed, or that closes its files after this.
  t.after(() => release("lazily"));
  mount(device, point, type, flags, data);
  return mounted;
}
