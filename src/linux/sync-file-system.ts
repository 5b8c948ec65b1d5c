import { closeSync, openSync } from "node:fs";
import { callAsync } from "./libc.ts";

/** syncfs(2), on a worker thread: all that the file system of a folder has in memory is written. */
export async function syncFileSystem(folder: string): Promise<void> {
  const fd = openSync(folder, "r");
  try {
    await callAsync({ syscall: "write out", path: folder }, "int syncfs(int)", fd);
  } finally {
    closeSync(fd);
  }
}
