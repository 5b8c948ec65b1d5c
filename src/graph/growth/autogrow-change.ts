import {
  autogrowPolicy,
  storeAutogrow,
  storedAutogrow,
  type AutogrowPolicy,
  type AutogrowSettings,
} from "./autogrow-policy.ts";
import type { GraphContext } from "../graph-context.ts";
import { requireOwnDevices } from "./growth.ts";
import { growRunningPool } from "./monitor.ts";
import { endMonitor, ensureMonitor } from "./monitor-process.ts";

/**
 * Changes how a graph's pool grows by itself; settings that are left out stay. What the new policy asks for is done at once.
 *
 * @returns the policy in force
 * @throws GraphError EINVAL for a setting that cannot be, ENOTSUP for a pool that is not the graph's own
 */
export async function changeAutogrow(context: GraphContext, settings: AutogrowSettings): Promise<AutogrowPolicy> {
  requireOwnDevices(context);
  await context.locks.changeOrBeside(() => {
    storeAutogrow(context.root, { ...storedAutogrow(context.root), ...settings });
    return Promise.resolve();
  });
  const policy = autogrowPolicy(context)!;
  if (!policy.enabled) {
    // It would notice by itself, but later. With this lock held it is not at work.
    await context.locks.poolTable(() => endMonitor(context));
  } else {
    ensureMonitor(context);
    for (const refusal of (await growRunningPool(context)).refusals) context.log("warn", refusal);
  }
  return policy;
}
