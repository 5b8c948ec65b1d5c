import { DeviceMapperError } from "./device-mapper-error.ts";

/** @throws DeviceMapperError EINVAL when a device cannot be called so, by any of the device mappers */
export function requireDeviceName(name: string): void {
  // What device-mapper tools take unquoted (libdevmapper's whitelist), less what has a meaning in the userspace mapper's folders.
  if (
    !/^[A-Za-z0-9#+:=@_][A-Za-z0-9#+\-.:=@_]{0,126}$/.test(name) ||
    name === "control" ||
    /\.(?:lock|log)$/.test(name)
  ) {
    throw new DeviceMapperError("EINVAL", `Cannot use the device name '${name}'`);
  }
}

/** For a device that there is not. */
export function unknownDevice(name: string): DeviceMapperError {
  return new DeviceMapperError("ENXIO", `Cannot find device '${name}': there is none of that name`);
}
