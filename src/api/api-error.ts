import { errorCode } from "../linux/system-error.ts";

/** A failure as the API tells it, in its answer's body. */
export interface Failure {
  /** For programs: as of StoreError, GraphError, DeviceMapperError, or one of the API's own ("invalid-request", "no-such-route", …). */
  code: string;
  /** For people. */
  message: string;
}

/** A failure that the API told. */
export class ApiError extends Error {
  readonly code: string;
  /** Of HTTP; 0 where the daemon gave no answer. */
  readonly statusCode: number;

  constructor(statusCode: number, { code, message }: Failure, options?: ErrorOptions) {
    super(message, options);
    this.name = "ApiError";
    this.code = code;
    this.statusCode = statusCode;
  }
}

/** HTTP's status for each code that a failure may have; 500 for others. */
const statusCodes: Partial<Record<string, number>> = {
  "not-found": 404,
  ambiguous: 409,
  "in-use": 409,
  exists: 409,
  invalid: 400,
  damaged: 422,
  ENOENT: 404,
  EEXIST: 409,
  EBUSY: 409,
  EINVAL: 400,
  ENOSPC: 507,
  EAGAIN: 503,
  EROFS: 503,
  ENXIO: 503,
  EBADF: 503,
  EFOREIGN: 409,
  ENOTSUP: 501,
  EPERM: 403,
};

/** What the API tells of an error, and with which status. */
export function failureOf(error: unknown): { statusCode: number; failure: Failure } {
  const message = error instanceof Error && error.message !== "" ? error.message : String(error);
  const code = errorCode(error);
  if (error instanceof ApiError) return { statusCode: error.statusCode, failure: { code: error.code, message } };
  // The server's own refusals, such as of a body that is too large, bring a status along, and a code with the server's name in it.
  if (error instanceof Error && "statusCode" in error && typeof error.statusCode === "number") {
    const own = error.statusCode === 413 || error.statusCode === 431 ? "too-large" : "invalid-request";
    return { statusCode: error.statusCode, failure: { code: own, message: `Cannot read the request: ${message}` } };
  }
  return { statusCode: statusCodes[code ?? ""] ?? 500, failure: { code: code ?? "FAILED", message } };
}

/** Of a client that sends or takes nothing for too long. @param what cannot be done */
export function idleError(what: string): ApiError {
  return new ApiError(408, { code: "timed-out", message: `${what} for too long` });
}
