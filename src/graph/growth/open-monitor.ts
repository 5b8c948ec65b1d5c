import { assembleGraph } from "../assemble-graph.ts";
import type { GraphLog } from "../graph-options.ts";
import { monitorPool } from "./monitor.ts";
import type { MonitorStart } from "./monitor-process.ts";
import { effectiveOptions } from "../options/stored-options.ts";

/** Opens a graph whose pool runs, without starting or changing anything, and watches the pool until it is gone. */
export async function openMonitor(start: MonitorStart, log: GraphLog): Promise<void> {
  const { root, storageOptions, deviceMapper, autogrow } = start;
  const { options } = effectiveOptions(root, storageOptions);
  const { context } = await assembleGraph(root, options, { root, deviceMapper, autogrow, log });
  try {
    await monitorPool(context);
  } finally {
    context.locks.close();
  }
}
