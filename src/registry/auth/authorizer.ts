import type { Credentials, FindCredentials } from "../credentials/credentials.ts";
import type { HttpResponse, Transport } from "../http/transport.ts";
import { RegistryError } from "../registry-error.ts";
import { basicAuthorization } from "./basic.ts";
import { parseChallenges, type Challenge } from "./challenge.ts";
import { fetchToken, type Token, type TokenService } from "./fetch-token.ts";

/** How to authorize. */
export interface AuthorizerOptions {
  /** Asks for a token to be kept in place of the password. */
  keep?: "refresh-token";
}

/** Answers a registry's challenges, and remembers what it answered: a token for each scope, or the one name and password. */
export class Authorizer {
  readonly #transport: Transport;
  /** As users name it. */
  readonly #registry: string;
  readonly #find: FindCredentials;
  readonly #options: AuthorizerOptions;
  #refreshToken: string | undefined;
  #credentials: Promise<Credentials | undefined> | undefined;
  #basic: string | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(transport: Transport, registry: string, find: FindCredentials, options: AuthorizerOptions = {}) {
    this.#transport = transport;
    this.#registry = registry;
    this.#find = find;
    this.#options = options;
  }

  /** The last one that was given where it was asked for. */
  get refreshToken(): string | undefined {
    return this.#refreshToken;
  }

  /** The header to send along; undefined when nothing was asked for yet. */
  async header(scopes: readonly string[]): Promise<string | undefined> {
    if (this.#basic !== undefined) return this.#basic;
    const token = await this.#tokens.get(keyOf(scopes))?.catch(() => undefined);
    return token !== undefined && token.expiresMs > Date.now() ? `Bearer ${token.token}` : undefined;
  }

  /**
   * Makes ready what a 401 asks for.
   *
   * @param sent what was refused
   * @returns the header to try with
   * @throws RegistryError unauthorized when there is nothing (else) to show
   */
  async answer(
    { headers, url }: HttpResponse,
    scopes: readonly string[],
    sent: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const challenges = parseChallenges(headers["www-authenticate"]);
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) return this.#bearer(bearer, url, scopes, sent, signal);
    if (!challenges.some(({ scheme }) => scheme === "basic")) {
      const offered = challenges.map(({ scheme }) => scheme).join(", ") || "none";
      throw new RegistryError(
        "unauthorized",
        `Cannot log in at ${this.#registry}: of the ways it offers (${offered}) none is known`,
        { status: 401 },
      );
    }
    const credentials = await this.credentials();
    const header = credentials !== undefined && "username" in credentials ? basicAuthorization(credentials) : undefined;
    if (header === undefined || header === sent) throw await this.refusal();
    this.#basic = header;
    return header;
  }

  /** What is known for the registry. */
  credentials(): Promise<Credentials | undefined> {
    return (this.#credentials ??= this.#find(this.#registry));
  }

  async #bearer(
    challenge: Challenge,
    url: URL,
    scopes: readonly string[],
    sent: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const service = tokenService(challenge, url, this.#registry);
    const credentials = await this.credentials();
    const key = keyOf(scopes);
    const cached = await this.#tokens.get(key)?.catch(() => undefined);
    // Another request may have been given one meanwhile.
    if (cached !== undefined && cached.expiresMs > Date.now() && sent !== `Bearer ${cached.token}`) {
      return `Bearer ${cached.token}`;
    }
    const asked = challenge.parameters.get("scope")?.split(" ").filter(Boolean) ?? [];
    const fetching = fetchToken(this.#transport, service, {
      scopes: [...new Set([...scopes, ...asked])],
      credentials,
      ...this.#options,
      signal,
    });
    this.#tokens.set(key, fetching);
    try {
      const { token, refreshToken } = await fetching;
      this.#refreshToken = refreshToken;
      return `Bearer ${token}`;
    } catch (error) {
      if (this.#tokens.get(key) === fetching) this.#tokens.delete(key);
      if (error instanceof RegistryError && error.code === "unauthorized") throw await this.refusal(error);
      throw error;
    }
  }

  /** What to say where nothing that there is to show is taken. */
  async refusal(cause?: unknown): Promise<RegistryError> {
    const credentials = await this.credentials();
    const why = credentials === undefined ? "it asks for credentials and there are none" : "it refuses the credentials";
    return new RegistryError(
      "unauthorized",
      `Cannot use registry ${this.#registry}: ${why}. \`mica login ${this.#registry}\` stores them`,
      { cause, status: 401 },
    );
  }
}

/** @throws RegistryError damaged when the challenge does not say where tokens are had */
export function tokenService({ parameters }: Challenge, url: URL, registry: string): TokenService {
  const realm = parameters.get("realm");
  if (realm === undefined || !URL.canParse(realm, url.href)) {
    throw new RegistryError("damaged", `Cannot log in at ${registry}: it does not say where to get a token`);
  }
  return { realm: new URL(realm, url), service: parameters.get("service") };
}

function keyOf(scopes: readonly string[]): string {
  return [...scopes].sort().join(" ");
}
