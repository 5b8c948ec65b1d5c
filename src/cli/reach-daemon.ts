import type { GraphAccess } from "../api/graph-access.ts";
import type { GraphOptions } from "../index.ts";
import { readDaemonFile, type DaemonFile } from "../service/daemon-file.ts";

/**
 * The graph through its daemon.
 *
 * @returns undefined where none runs that has an API
 * @throws Error with code EBUSY when the command line asks for options that the daemon has not; ApiError when it does not answer as it should
 */
export async function reachDaemon(options: GraphOptions): Promise<GraphAccess | undefined> {
  const daemon = readDaemonFile(options.root);
  if (daemon?.api === undefined) return undefined;
  const { connectToDaemon } = await import("../api/remote-graph.ts"); // less than all of index.ts
  const graph = await connectToDaemon(options.root);
  if (graph !== undefined) await refuseOtherOptions(daemon, options);
  return graph;
}

async function refuseOtherOptions(daemon: DaemonFile, options: GraphOptions): Promise<void> {
  const { deviceMapper } = options;
  if (deviceMapper !== undefined && deviceMapper !== daemon.deviceMapper) {
    throw otherwise(daemon, `the ${daemon.deviceMapper === "kernel" ? "kernel's" : "user-space"} device mapper`);
  }
  const others = (options.storageOptions ?? []).filter((option) => !daemon.storageOptions.includes(option));
  if (others.length === 0) return;
  // Loaded only here: what the graph was made with is no other option either.
  const { effectiveOptions } = await import("../graph/options/stored-options.ts");
  if (effectiveOptions(options.root, others).changed) throw otherwise(daemon, `other options than ${others.join(" ")}`);
}

function otherwise({ pid }: DaemonFile, what: string): Error {
  const message = `Cannot go on with these options: the graph's daemon (process ${pid}) has it open with ${what}. Restart the daemon with them`;
  return Object.assign(new Error(message), { code: "EBUSY" });
}
