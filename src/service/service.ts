import type { Logger } from "pino";
import type { DeviceSet } from "../graph/device-set.ts";
import type { Store } from "../image/store.ts";

/** What every service of the daemon works on: one open graph, and the daemon's log. */
export interface ServiceParts {
  readonly devices: DeviceSet;
  readonly store: Store;
  readonly log: Logger;
}

/** One of the daemon's services, answering on its socket. */
export interface Service {
  /** What the log calls it, such as "containerd". */
  readonly name: string;
  /** Absolute path of its socket. */
  readonly socket: string;
  /** Takes no more requests, lets those under way end, and takes the socket away. What is mounted or active stays so. */
  close(): Promise<void>;
}
