/** What containerd tells apart; each is a status code of gRPC. */
export type SnapshotterErrorCode =
  "not-found" | "already-exists" | "failed-precondition" | "invalid-argument" | "unavailable";

/** A request that the snapshotter refuses. */
export class SnapshotterError extends Error {
  override readonly name = "SnapshotterError";
  readonly code: SnapshotterErrorCode;

  constructor(code: SnapshotterErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
