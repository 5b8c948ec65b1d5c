import type { DeviceSet } from "../graph/device-set.ts";

/** What images and containers need of the graph. */
export type ImageDevices = Pick<
  DeviceSet,
  "root" | "create" | "seal" | "remove" | "exists" | "get" | "put" | "unmountLeft" | "device" | "devices" | "usage"
>;
