import * as v from "valibot";
import type { Credentials } from "../credentials/credentials.ts";
import { readBounded } from "../http/read-bounded.ts";
import type { HttpRequest, Transport } from "../http/transport.ts";
import { RegistryError } from "../registry-error.ts";
import { basicAuthorization } from "./basic.ts";

const MAX_ANSWER_BYTES = 1 << 20;
const CLIENT_ID = "mica";
const DEFAULT_LIFETIME_S = 60;

/** One line of printable characters, as it goes into a header. */
const tokenForm = v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/, "not a token"));
const schema = v.looseObject({
  token: v.nullish(tokenForm),
  access_token: v.nullish(tokenForm),
  refresh_token: v.nullish(tokenForm),
  expires_in: v.nullish(v.pipe(v.number(), v.minValue(0))),
});

/** Where tokens are had, as a Bearer challenge says. */
export interface TokenService {
  realm: URL;
  service: string | undefined;
}

/** A token that a registry takes. */
export interface Token {
  token: string;
  /** `Date.now()` when it should be used no more. */
  expiresMs: number;
  /** To be kept in place of the password, where it was asked for and given. */
  refreshToken: string | undefined;
}

/** What for, and for whom. */
export interface TokenRequest {
  /** "repository:library/alpine:pull"; none for the mere right to log in. */
  scopes: readonly string[];
  credentials: Credentials | undefined;
  /** Asks for a token to be kept in place of the password. */
  keep?: "refresh-token";
  signal: AbortSignal | undefined;
}

/**
 * Gets a token (distribution's auth/token.md and auth/oauth.md): by GET with name and password or without, by POST with a refresh
 * token.
 *
 * @throws RegistryError unauthorized, damaged; what the connection threw
 */
export async function fetchToken(transport: Transport, from: TokenService, wanted: TokenRequest): Promise<Token> {
  const { credentials } = wanted;
  const startedMs = Date.now();
  const response = await transport.send(
    credentials !== undefined && "identityToken" in credentials
      ? refreshRequest(from, wanted, credentials.identityToken)
      : passwordRequest(from, wanted, credentials),
  );
  const where = from.realm.origin;
  const bytes = await readBounded(response.body, MAX_ANSWER_BYTES);
  if (response.status === 401 || response.status === 403 || response.status === 400) {
    throw new RegistryError(
      "unauthorized",
      `Cannot log in at ${where}: it does not accept ${credentials === undefined ? "to be asked without credentials" : "these credentials"}`,
      { status: response.status },
    );
  }
  if (response.status !== 200) {
    throw new RegistryError("refused", `Cannot get a token of ${where}: it answered with status ${response.status}`, {
      status: response.status,
    });
  }
  const answer = v.safeParse(schema, parseJson(bytes));
  const token = answer.success ? (answer.output.token ?? answer.output.access_token) : undefined;
  if (!answer.success || token == null) {
    throw new RegistryError("damaged", `Cannot get a token of ${where}: there is none in its answer`);
  }
  const lifetime = Math.max(answer.output.expires_in ?? DEFAULT_LIFETIME_S, DEFAULT_LIFETIME_S);
  // A while before its end, as it may be on its way for so long.
  return {
    token,
    expiresMs: startedMs + lifetime * 900,
    refreshToken: answer.output.refresh_token ?? undefined,
  };
}

function passwordRequest(
  { realm, service }: TokenService,
  { scopes, keep, signal }: TokenRequest,
  credentials: { username: string; password: string } | undefined,
): HttpRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (credentials !== undefined) url.searchParams.set("account", credentials.username);
  if (keep !== undefined) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", CLIENT_ID);
  }
  const authorization = credentials === undefined ? undefined : basicAuthorization(credentials);
  return { method: "GET", url, authorization, signal };
}

function refreshRequest(
  { realm, service }: TokenService,
  { scopes, signal }: TokenRequest,
  token: string,
): HttpRequest {
  const form = new URLSearchParams({ grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: token });
  if (service !== undefined) form.set("service", service);
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: realm, headers, body: () => form.toString(), signal };
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return JSON.parse(bytes?.toString("utf8") ?? "");
  } catch {
    return undefined;
  }
}
