import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./json-file.ts";

/**
 * A file in the graph's folder says that its pool runs in user space, or did when the machine went down. Only such a pool may have lost its
 * last transactions, by a power cut: the kernel's has each on the disk when it is complete.
 */
function markFile(root: string): string {
  return join(root, "userspace-pool");
}

/** The pool has been started and fits the files. Durable when it returns. */
export function markUserspacePool(root: string): void {
  if (existsSync(markFile(root))) return;
  closeSync(openSync(markFile(root), "a", 0o600));
  syncFolder(root);
}

/** The pool was stopped, or is the kernel's and fits the files. */
export function clearUserspaceMark(root: string): void {
  rmSync(markFile(root), { force: true });
}

/** Whether the pool may have lost transactions that the files tell of. */
export function mayHaveLostTransactions(root: string): boolean {
  return existsSync(markFile(root));
}
