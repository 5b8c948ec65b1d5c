import { join } from "node:path";
import { GraphError } from "../graph-error.ts";
import { LockSlots, slots } from "./lock-slots.ts";

/**
 * Makes this process the one that serves a graph for others, until it ends or lets go: nobody shuts the graph down meanwhile.
 *
 * @param root exists; without links
 * @returns what lets go
 * @throws GraphError EBUSY, naming the process that is it already
 */
export function claimForDaemon(root: string): () => void {
  const locks = new LockSlots(join(root, "lock"));
  if (locks.tryForLong(slots.daemon, "exclusive")) return () => locks.close();
  const pid = locks.holders(slots.daemon).at(0);
  locks.close();
  throw new GraphError(
    "EBUSY",
    `Cannot start a daemon for '${root}': ${pid === undefined ? "another process" : `process ${pid}`} is one already. ` +
      "Stop that first, or name another graph with --root",
  );
}
