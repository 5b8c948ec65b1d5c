import type { DeviceMapper } from "../device-mapper/device-mapper.ts";
import type { AutogrowSettings } from "./growth/autogrow-policy.ts";

/** Takes the graph's messages; none are printed otherwise. */
export type GraphLog = (level: "debug" | "info" | "warn" | "error", message: string) => void;

/** How to open a graph. */
export interface GraphOptions {
  /** The graph's folder; made if missing. */
  root: string;
  /** `dm.KEY=VALUE` each. Kept with the graph: later starts without them use them. */
  storageOptions?: string[];
  /**
   * Default: the one that the graph's pool runs in; else the kernel's, where it has thin-pool, the user is root and udev is in sync (or
   * dm.override_udev_sync_check set), and the one in user space elsewhere.
   */
  deviceMapper?: DeviceMapper | DeviceMapper["kind"] | undefined;
  /** How the pool grows by itself, where the graph has not been told (`DeviceSet.setAutogrow`). */
  autogrow?: AutogrowSettings;
  log?: GraphLog;
  /** How long to wait for another command that holds the graph, in ms. Default 60,000. */
  lockTimeoutMs?: number;
}
