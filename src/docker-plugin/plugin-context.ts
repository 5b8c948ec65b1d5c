import type { Logger } from "pino";
import type { DeviceSet } from "../graph/device-set.ts";
import type { DockerMounts } from "./docker-mounts.ts";
import type { LayerDevices } from "./layer-devices.ts";
import type { Session } from "./session.ts";

/** What the driver's calls work with. */
export interface PluginContext {
  readonly devices: DeviceSet;
  readonly log: Logger;
  readonly mounts: DockerMounts;
  readonly layers: LayerDevices;
  readonly session: Session;
}
