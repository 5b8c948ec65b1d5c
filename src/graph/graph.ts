import { DeviceSet } from "./device-set.ts";
import type { GraphOptions } from "./graph-options.ts";

/* eslint-disable */
export type { GraphOptions } from "./graph-options.ts";
export { DeviceSet } from "./device-set.ts";

export async function openDeviceSet(_options: GraphOptions): Promise<DeviceSet> {
  throw new Error("not yet");
}
