/** A stopped pool, or a device of it, cannot be read. The code is the system's: EIO, ENODEV, EPERM … */
export class FrozenPoolError extends Error {
  override readonly name = "FrozenPoolError";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
