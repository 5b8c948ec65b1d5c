import { devmapperNow } from "../../linux/libdevmapper.ts";
import { libdevmapperLog } from "../../linux/libdevmapper-library.ts";
import type { DevmapperLog } from "../../linux/libdevmapper-log.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import type { DeviceMapper } from "../device-mapper.ts";
import { KernelDevices } from "./kernel-devices.ts";
import { missingForKernelMapper } from "./kernel-support.ts";

/** How to make the kernel's device mapper. */
export interface KernelOptions {
  /** What libdevmapper tells `log`: `dm.libdm_log_level`, 2 (fatal) to 7 (debug). Default 2. */
  logLevel?: number;
  log?: DevmapperLog;
}

/** libdevmapper's level of messages that cannot be told less urgently. */
const fatal = 2;

/** Since which version of the kernel's device mapper a device can be removed when it is closed. */
const deferredRemovalSince = [4, 27] as const;

/**
 * The kernel's device mapper, through libdevmapper.
 *
 * @throws DeviceMapperError ENOTSUP that says what is missing for it
 */
export function kernelDeviceMapper(options: KernelOptions = {}): DeviceMapper {
  const missing = missingForKernelMapper();
  if (missing !== undefined)
    throw new DeviceMapperError("ENOTSUP", `Cannot use the kernel's device mapper: ${missing}`);
  libdevmapperLog.level = options.logLevel ?? fatal;
  libdevmapperLog.sink = options.log ?? (() => undefined);
  const version = devmapperNow("version", {}, (answer) => answer.driverVersion());
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [sinceMajor, sinceMinor] = deferredRemovalSince;
  return new KernelDevices({ deferredRemoval: major > sinceMajor || (major === sinceMajor && minor >= sinceMinor) });
}
