import { dirname } from "node:path";
import { mountTable, type MountEntry } from "../../linux/mount-table.ts";

/** The mount that holds a path, as the mount table tells: the path itself is not touched. */
export function mountHolding(path: string, mounts = mountTable()): MountEntry | undefined {
  let found: MountEntry | undefined;
  for (const entry of mounts) {
    const { mountPoint } = entry;
    const holds = path === mountPoint || path.startsWith(mountPoint === "/" ? "/" : `${mountPoint}/`);
    // Of two on one place the later covers the earlier.
    if (holds && mountPoint.length >= (found?.mountPoint.length ?? 0)) found = entry;
  }
  return found;
}

/**
 * The folder of the pool or mapped device whose engine serves a path: that of its state, above its mount. undefined for a path in another file
 * system. An engine that touched a file of its own mount would wait for itself.
 */
export function servingFolder(path: string, mounts = mountTable()): string | undefined {
  const entry = mountHolding(path, mounts);
  return entry?.fsType === "fuse" && entry.source.startsWith("mica-") ? dirname(entry.mountPoint) : undefined;
}
