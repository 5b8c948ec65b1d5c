import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What a daemon tells of itself, in `$root/daemon.json`, to commands on the same graph. */
export interface DaemonFile {
  pid: number;
  /** Path of its API's socket, where it has one. */
  api?: string | undefined;
  deviceMapper: "kernel" | "userspace";
  /** `dm.KEY=VALUE`, as it was started with. */
  storageOptions: string[];
}

/** Where it is. */
export function daemonFileOf(root: string): string {
  return join(root, "daemon.json");
}

/**
 * Reads what the graph's daemon says of itself. Its process may have died since.
 *
 * @returns undefined where there is no such file, or none that could be a daemon's, or it may not be read
 */
export function readDaemonFile(root: string): DaemonFile | undefined {
  // Not by a schema, as other files are: every command reads this one, and most need no schema elsewhere.
  try {
    const file = JSON.parse(readFileSync(daemonFileOf(root), "utf8")) as Partial<DaemonFile>;
    const { pid, api, deviceMapper, storageOptions } = file;
    if (typeof pid !== "number" || (api !== undefined && typeof api !== "string")) return undefined;
    if (deviceMapper !== "kernel" && deviceMapper !== "userspace") return undefined;
    return { pid, api, deviceMapper, storageOptions: Array.isArray(storageOptions) ? storageOptions.map(String) : [] };
  } catch {
    return undefined;
  }
}
