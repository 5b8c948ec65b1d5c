import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isLocked } from "../../linux/flock.ts";
import { GraphError } from "../graph-error.ts";

/** Databases of bbolt in Docker's data root, which it holds locked as long as it runs: the first since 1.12, the other before. */
const databases = ["volumes/metadata.db", "network/files/local-kv.db"];

/**
 * Docker locks nothing in its devicemapper graph, and its pool has the very name that ours would have: two programs that change one
 * graph would ruin it. Whether it runs is seen by the databases beside the graph.
 *
 * @param root the graph's folder
 * @throws GraphError EBUSY
 */
export function refuseRunningDocker(root: string): void {
  if (basename(root) !== "devicemapper") return;
  const dataRoot = dirname(root);
  const held = databases.map((name) => join(dataRoot, name)).find((path) => existsSync(path) && isLocked(path));
  if (held === undefined) return;
  throw new GraphError(
    "EBUSY",
    `Cannot use '${root}': Docker is running on ${dataRoot} ('${held}' is locked). Stop it first (systemctl stop docker docker.socket)`,
  );
}
