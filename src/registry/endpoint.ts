import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { Authorizer, type AuthorizerOptions } from "./auth/authorizer.ts";
import type { FindCredentials } from "./credentials/credentials.ts";
import { answerFailure } from "./http/answer-failure.ts";
import { connectionFailure, isAbsent, isPassing } from "./http/connection-failure.ts";
import { discard } from "./http/read-bounded.ts";
import { Transport, type HttpRequest, type HttpResponse } from "./http/transport.ts";
import { pauseBefore, retryAfterMs, type Patience } from "./patience.ts";
import type { Place } from "./places.ts";

const BUSY: readonly number[] = [408, 429, 500, 502, 503, 504];

/** A request to a registry's API. */
export interface ApiRequest {
  /** "pull app:1": what it is for, in messages. */
  doing: string;
  method: HttpRequest["method"];
  /** Below /v2/, or an address that the registry gave. */
  to: string | URL;
  /** What for, in the words of tokens: "repository:library/alpine:pull". */
  scopes: readonly string[];
  headers?: Record<string, string>;
  body?: (() => Readable | Buffer) | undefined;
  /** See `HttpRequest`. */
  answerMs?: number;
  /** Statuses that are answers; all others are errors. */
  expected: readonly number[];
  /** "once": what is asked for cannot be repeated by itself. */
  attempts?: "once";
  signal: AbortSignal | undefined;
}

/** A registry, or a mirror, spoken with: it is authorized to, waited for and asked again as registries need it. */
export class Endpoint {
  readonly place: Place;
  readonly patience: Patience;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  #base: Promise<URL> | undefined;
  /** What `#base` turned out to be. */
  #found: URL | undefined;

  constructor(place: Place, find: FindCredentials, patience: Patience, options: AuthorizerOptions = {}) {
    this.place = place;
    this.patience = patience;
    this.#transport = new Transport(place, patience);
    this.#authorizer = new Authorizer(this.#transport, place.name, find, options);
  }

  /** What the registry gave to be kept in place of the password; undefined where it was not asked to, or does not do that. */
  get refreshToken(): string | undefined {
    return this.#authorizer.refreshToken;
  }

  /**
   * Asks, again where that may help, and resolves to an expected answer.
   *
   * @throws RegistryError; the signal's reason
   */
  async send(wanted: ApiRequest): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.#attempt(wanted, attempt);
      if (response === undefined) continue;
      if (wanted.expected.includes(response.status)) return response;
      if (wanted.attempts !== "once" && BUSY.includes(response.status)) {
        const asked = askedPauseMs(response.headers);
        if (await pauseBefore(attempt, this.patience, asked, wanted.signal)) {
          await discard(response);
          continue;
        }
      }
      throw await answerFailure(this.#named(wanted), response);
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  /** @returns undefined when the connection failed and it was waited to try again */
  async #attempt(wanted: ApiRequest, attempt: number): Promise<HttpResponse | undefined> {
    const { signal } = wanted;
    try {
      return await this.#authorized(wanted);
    } catch (error) {
      signal?.throwIfAborted();
      const again = wanted.attempts !== "once" && isPassing(error);
      if (again && (await pauseBefore(attempt, this.patience, undefined, signal))) return undefined;
      throw connectionFailure(this.#origin(), error);
    }
  }

  async #authorized(wanted: ApiRequest): Promise<HttpResponse> {
    const base = await this.#scheme(wanted.signal);
    const url = typeof wanted.to === "string" ? new URL(`${this.place.prefix}/v2/${wanted.to}`, base) : wanted.to;
    const { method, headers = {}, body, answerMs, scopes, signal } = wanted;
    // Shown to the registry alone, wherever it says to go on.
    const own = url.origin === base.origin;
    const authorization = own ? await this.#authorizer.header(scopes) : undefined;
    const response = await this.#transport.send({ method, url, headers, body, answerMs, signal, authorization });
    if (response.status !== 401 || response.url.origin !== base.origin) return response;
    await discard(response);
    const answered = await this.#authorizer.answer(response, scopes, authorization, signal);
    const second = await this.#transport.send({
      method,
      url,
      headers,
      body,
      answerMs,
      signal,
      authorization: answered,
    });
    if (second.status !== 401 || !answered.startsWith("Basic ")) return second;
    await discard(second);
    throw await this.#authorizer.refusal();
  }

  /** "https://host", or "http://host" where that is allowed and the host speaks nothing else. */
  #scheme(signal: AbortSignal | undefined): Promise<URL> {
    const { scheme, host } = this.place;
    this.#base ??= scheme === undefined ? this.#findScheme(signal) : Promise.resolve(new URL(`${scheme}://${host}`));
    this.#base.then(
      (found) => (this.#found = found),
      () => (this.#base = undefined),
    );
    return this.#base;
  }

  async #findScheme(signal: AbortSignal | undefined): Promise<URL> {
    const { host, prefix } = this.place;
    const ping = async (base: URL): Promise<URL> => {
      const response = await this.#transport.send({ method: "GET", url: new URL(`${prefix}/v2/`, base), signal });
      await discard(response);
      return base;
    };
    try {
      return await ping(new URL(`https://${host}`));
    } catch (error) {
      signal?.throwIfAborted();
      // Where nobody listens for either, the first is as good to tell of.
      return ping(new URL(`http://${host}`)).catch((plain: unknown) => {
        throw isAbsent(plain) ? error : plain;
      });
    }
  }

  #origin(): string {
    return this.#found?.origin ?? `${this.place.scheme ?? "https"}://${this.place.host}`;
  }

  #named({ doing }: ApiRequest): string {
    return `${doing} (registry ${this.place.name})`;
  }
}

/** What Retry-After asks for. */
export function askedPauseMs(headers: IncomingHttpHeaders): number | undefined {
  return retryAfterMs(headers["retry-after"], Date.now());
}
