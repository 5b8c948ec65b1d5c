import { resolve } from "node:path";
import { defaultRunDir } from "../../block-device/pool-paths.ts";
import type { DeviceMapper } from "../device-mapper.ts";
import { UserspaceDevices } from "./userspace-devices.ts";

/** How to make the userspace device mapper. */
export interface UserspaceOptions {
  /** The folder of running pools; default MICA_RUN_DIR, else /run/mica. */
  runDir?: string;
}

/**
 * The device mapper that needs nothing of the kernel but FUSE and loop devices. A pool is a supervisor and an engine
 * process; they outlive the process that calls this.
 */
export function userspaceDeviceMapper(options: UserspaceOptions = {}): DeviceMapper {
  return new UserspaceDevices(options.runDir === undefined ? defaultRunDir() : resolve(options.runDir));
}
