import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Removes the temporary files, named `<process id>-…`, of processes that are gone. */
export function removeAbandonedFiles(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(folder, name), { force: true });
  }
}
