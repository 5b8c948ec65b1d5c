import { status, type ServiceError } from "@grpc/grpc-js";
import { errorCode } from "../linux/system-error.ts";
import { SnapshotterError, type SnapshotterErrorCode } from "./snapshotter-error.ts";

const codes: Record<SnapshotterErrorCode, status> = {
  "not-found": status.NOT_FOUND,
  "already-exists": status.ALREADY_EXISTS,
  "failed-precondition": status.FAILED_PRECONDITION,
  "invalid-argument": status.INVALID_ARGUMENT,
  unavailable: status.UNAVAILABLE,
};

/** The most that a status's message has: it travels in a header. */
const maximumMessage = 2000;

/** What a client is told of a failure. */
export function grpcStatus(error: unknown): Pick<ServiceError, "code" | "details"> {
  const message = error instanceof Error ? error.message : String(error);
  return { code: codeOf(error), details: message.slice(0, maximumMessage) };
}

function codeOf(error: unknown): status {
  if (error instanceof SnapshotterError) return codes[error.code];
  switch (errorCode(error)) {
    case "ENOSPC":
      return status.RESOURCE_EXHAUSTED;
    case "EAGAIN":
    case "ENXIO":
    case "EBADF":
      return status.UNAVAILABLE;
    default:
      return status.UNKNOWN;
  }
}
