/** Why a device mapper refused. `code` is an error name: EEXIST, ENXIO, EBUSY, ENODATA, ENOSPC, EINVAL … */
export class DeviceMapperError extends Error {
  readonly code: string;
  /** Of a batch of messages: how many were carried out and are kept. */
  readonly done: number | undefined;

  constructor(code: string, message: string, options: { done?: number | undefined } = {}) {
    super(message);
    this.name = "DeviceMapperError";
    this.code = code;
    this.done = options.done;
  }
}
