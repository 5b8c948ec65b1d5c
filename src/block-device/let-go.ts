import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setReadOnly } from "../linux/block-device.ts";
import { allLoops, detachLoop, loopBackingFile } from "../linux/loop.ts";
import { isMounted } from "../linux/mount-table.ts";
import { unmount } from "../linux/mount.ts";
import { readNote, removeNotedLink } from "./device-note.ts";
import type { PoolPaths } from "./pool-paths.ts";

/**
 * Detaches and unmounts what a pool without processes left, and removes the links to its devices; the notes of them stay. Loop devices in use go
 * when they are let go of.
 */
export function letGo(paths: PoolPaths): void {
  for (const file of notesIn(paths.devices)) {
    const note = readNote(join(paths.devices, file)) ?? {};
    removeNotedLink(note);
    const { device, readOnly } = note;
    const ours = device !== undefined && loopBackingFile(device)?.startsWith(`${paths.mount}/`) === true;
    // It would go on to refuse writes, whoever has it next.
    if (ours && readOnly === true) setReadOnly(device, "read-write");
  }
  for (const { device, backingFile } of allLoops()) {
    if (backingFile.startsWith(`${paths.mount}/`)) detachLoop(device, { deferred: true });
  }
  while (isMounted(paths.mount)) unmount(paths.mount, { lazy: true });
}

function notesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
