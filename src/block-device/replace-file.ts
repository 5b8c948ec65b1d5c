import { renameSync, writeFileSync } from "node:fs";

/** Writes a file so that readers see the old content or the new, never a part. Not synced: for files that end with the boot. */
export function replaceFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, path);
}
