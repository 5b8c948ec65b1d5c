import { closeSync, openSync } from "node:fs";
import { callAsync } from "./libc.ts";
import { mountTable } from "./mount-table.ts";

/** syncfs(2), on a worker thread: all that the file system of a folder has in memory is written. */
export async function syncFileSystem(folder: string): Promise<void> {
  const fd = openSync(folder, "r");
  try {
    await callAsync({ syscall: "write out", path: folder }, "int syncfs(int)", fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes out the file system on a block device, where it is mounted and this process can see that. */
export async function syncMountedDevice(major: number, minor: number): Promise<void> {
  const mounted = mountTable().find((entry) => entry.major === major && entry.minor === minor);
  if (mounted !== undefined) await syncFileSystem(mounted.mountPoint);
}
