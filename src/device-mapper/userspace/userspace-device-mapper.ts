import { DeviceMapperError } from "../device-mapper-error.ts";
import type { DeviceMapper } from "../device-mapper.ts";

/** The device mapper that needs nothing of the kernel but FUSE and loop devices. */
export function userspaceDeviceMapper(_options: { runDir?: string } = {}): DeviceMapper {
  throw new DeviceMapperError("ENOSYS", "Cannot start the user-space device mapper: it is not there yet");
}
