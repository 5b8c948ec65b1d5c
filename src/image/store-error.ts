/** Why the store refused: what a caller may want to tell apart. */
export type StoreErrorCode = "not-found" | "ambiguous" | "in-use" | "exists" | "invalid" | "damaged";

/** A failure of the image store that its user can do something about. The message says what. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
  }
}
