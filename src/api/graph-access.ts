import type { DeviceSet } from "../graph/device-set.ts";
import type { Store } from "../image/store.ts";

/** What a graph's devices offer to who has the graph open as to who goes through its daemon. */
export type DeviceAccess = Pick<
  DeviceSet,
  | "root"
  | "poolName"
  | "deviceMapper"
  | "create"
  | "remove"
  | "exists"
  | "get"
  | "put"
  | "activate"
  | "deactivate"
  | "export"
  | "status"
  | "metadata"
  | "device"
  | "devices"
  | "deviceStatus"
  | "usage"
  | "locateBlock"
  | "check"
  | "growPool"
  | "autogrow"
  | "setAutogrow"
>;

/** The same of images and containers. */
export type StoreAccess = Omit<Store, "settle">;

/** A graph, opened by this process or reached through its daemon: the same to work with. */
export interface GraphAccess extends AsyncDisposable {
  readonly root: string;
  readonly devices: DeviceAccess;
  readonly store: StoreAccess;
  /** Lets go of it; what is mounted or active stays. */
  close(): Promise<void>;
}
