/**
 * What kind of failure: the stream is not whole ("truncated", "damaged"), not for this version ("unsupported"), not for this graph ("wrong-base",
 * "exists"), or what was asked for makes no sense ("invalid"), is not there ("not-found") or under way ("in-use").
 */
export type TransferErrorCode =
  "truncated" | "damaged" | "unsupported" | "wrong-base" | "exists" | "invalid" | "not-found" | "in-use";

/** A send or a receive that cannot go on. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  readonly code: TransferErrorCode;

  constructor(code: TransferErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}
