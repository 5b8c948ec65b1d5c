/** Why a registry, or what it sent, could not be used: what a caller may want to tell apart. */
export type RegistryErrorCode =
  /** It wants credentials, or other ones. */
  | "unauthorized"
  /** It has no such image or blob, or shows none to whoever asks. */
  | "not-found"
  /** No connection, no trust in its certificate, no answer in time. */
  | "unreachable"
  /** It answered that it will not, or not now. */
  | "refused"
  /** What it sent is not what it should be. */
  | "damaged"
  /** A format that is not supported. */
  | "unsupported"
  /** Wrong use: a registry's name, a setting, a credential helper. */
  | "invalid";

/** A failure with a registry. The message says what failed, why, and what to do. */
export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  /** The status it answered with, where it answered. */
  readonly status: number | undefined;

  constructor(code: RegistryErrorCode, message: string, options: ErrorOptions & { status?: number } = {}) {
    super(message, options);
    this.name = "RegistryError";
    this.code = code;
    this.status = options.status;
  }
}
