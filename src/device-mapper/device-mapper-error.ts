/** Why a device mapper refused. `code` is an error name: EEXIST, ENXIO, EBUSY, ENODATA, ENOSPC, EINVAL … */
export class DeviceMapperError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "DeviceMapperError";
    this.code = code;
  }
}
