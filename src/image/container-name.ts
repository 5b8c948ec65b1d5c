import { StoreError } from "./store-error.ts";
import type { StoreFiles } from "./store-files.ts";

/** Docker's rule for names. */
export function isContainerName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name);
}

/** @throws StoreError invalid */
export function requireContainerName(name: string): void {
  if (isContainerName(name)) return;
  throw new StoreError(
    "invalid",
    `Cannot name a container '${name}': only letters, digits, "_", "." and "-" are allowed, at most 128, and the first ` +
      "must be a letter or a digit",
  );
}

/** @throws StoreError exists */
export function requireFreeName(files: StoreFiles, name: string): void {
  const holder = files.containerIdOfName(name);
  if (holder === undefined) return;
  throw new StoreError("exists", `Cannot name a container '${name}': container ${holder.slice(0, 12)} has that name`);
}
