import { errorCode } from "../../linux/system-error.ts";
import { RegistryError } from "../registry-error.ts";

const untrusted: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
const notTls: ReadonlySet<string> = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "EPROTO",
]);
/** A connection that broke or went silent: another may do better. */
const passing: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "UND_ERR_SOCKET",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
]);

/** Whether trying again may help. */
export function isPassing(error: unknown): boolean {
  return passing.has(codeOf(error) ?? "");
}

/** Whether nobody listens there, or somebody who has just gone. */
export function isAbsent(error: unknown): boolean {
  return ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"].includes(codeOf(error) ?? "");
}

/** Whether what listens there does not speak TLS. */
export function speaksNoTls(error: unknown): boolean {
  return notTls.has(codeOf(error) ?? "");
}

/**
 * Says in a user's words why there is no answer.
 *
 * @param origin "https://host:port"
 */
export function connectionFailure(origin: string, error: unknown): Error {
  if (error instanceof RegistryError) return error;
  // Not a connection's: a mistake of ours.
  if (error instanceof Error && codeOf(error) === undefined) return error;
  return new RegistryError("unreachable", `Cannot reach ${origin}: ${connectionReason(error)}`, { cause: error });
}

/** Why there is no answer, or no more of it, in a user's words. */
export function connectionReason(error: unknown): string {
  const code = codeOf(error) ?? "";
  if (untrusted.has(code)) {
    return `its certificate is of an authority that this machine does not trust (${code}). Name the authority's certificate by \`ca\` in the configuration, or allow it with --insecure`;
  }
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "its certificate is another host's";
  if (notTls.has(code)) return "it does not speak TLS. Plain HTTP has to be allowed with --insecure";
  if (code === "ENOTFOUND") return "there is no host of that name";
  if (code === "ECONNREFUSED") return "nothing listens there";
  if (code === "UND_ERR_CONNECT_TIMEOUT") return "the connection took too long";
  if (code === "UND_ERR_HEADERS_TIMEOUT") return "it did not answer in time";
  if (code === "UND_ERR_BODY_TIMEOUT") return "it stopped sending";
  if (["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(code)) return "the connection broke";
  if (code === "UND_ERR_HEADERS_OVERFLOW" || code.startsWith("HPE_")) return `its answer is not proper HTTP (${code})`;
  return deepest(error).message;
}

/** The code of an error or of what caused it: what undici and `net` report is wrapped, and may be several tries in one. */
function codeOf(error: unknown): string | undefined {
  const deep = deepest(error);
  return errorCode(deep) ?? errorCode(error);
}

function deepest(error: unknown): Error {
  let at = error instanceof Error ? error : new Error(String(error));
  for (let depth = 0; depth < 8; depth++) {
    const next: unknown = at instanceof AggregateError ? at.errors.at(-1) : at.cause;
    if (!(next instanceof Error)) return at;
    at = next;
  }
  return at;
}
