/**
 * A request that the pool cannot carry out, with the code the kernel would answer: EEXIST (id in use), ENODATA (no
 * such device), EBUSY (device active), EINVAL, ENOSPC. The message says what was attempted and why it failed.
 */
export class ThinError extends Error {
  override readonly name = "ThinError";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
