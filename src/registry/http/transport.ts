import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { EnvHttpProxyAgent, request } from "undici";
import type { Patience } from "../patience.ts";
import { RegistryError } from "../registry-error.ts";
import { discard } from "./read-bounded.ts";
import { trustedRoots } from "./trusted-roots.ts";

const MAX_REDIRECTS = 5;
const MAX_HEADER_BYTES = 64 << 10;
const CONNECTIONS_PER_HOST = 8;
/** Never through a proxy, as for other programs. */
const LOOPBACK = "localhost,127.0.0.1,[::1]";

/** What certificates to take, and whether plain HTTP. */
export interface Trust {
  /** Any certificate, and plain HTTP. */
  insecure: boolean;
  /** File with certificates to trust besides the machine's. */
  ca: string | undefined;
}

/** A request, which may have to be sent more than once. */
export interface HttpRequest {
  method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  url: URL;
  headers?: Record<string, string>;
  /** Sent to the host of `url` alone, whatever redirects follow. */
  authorization?: string | undefined;
  /** Makes the body anew each time. */
  body?: (() => Readable | Buffer | string) | undefined;
  /** How long to wait for an answer to begin, once all is sent; as usual if undefined. */
  answerMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** An answer. Its body has to be read or destroyed. */
export interface HttpResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: Readable;
  /** Where it came from in the end. */
  url: URL;
}

/** HTTP as registries need it: proxies of the environment, a bounded number of redirects, bounded waits and headers. */
export class Transport {
  readonly #agent: EnvHttpProxyAgent;
  readonly #trust: Trust;
  readonly #patience: Patience;

  /** @throws RegistryError invalid when the certificates cannot be read */
  constructor(trust: Trust, patience: Patience) {
    const tls = { ca: trustedRoots(trust.ca), rejectUnauthorized: !trust.insecure };
    const noProxy = process.env.no_proxy ?? process.env.NO_PROXY ?? "";
    this.#agent = new EnvHttpProxyAgent({
      connect: { ...tls, timeout: patience.connectMs },
      requestTls: tls,
      noProxy: noProxy === "*" ? noProxy : `${noProxy},${LOOPBACK}`,
      headersTimeout: patience.answerMs,
      bodyTimeout: patience.stallMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      connections: CONNECTIONS_PER_HOST,
    });
    this.#trust = trust;
    this.#patience = patience;
  }

  get patience(): Patience {
    return this.#patience;
  }

  /**
   * Sends a request and follows redirects.
   *
   * @throws what the connection threw; RegistryError for a redirect that is not followed; the signal's reason
   */
  async send(wanted: HttpRequest): Promise<HttpResponse> {
    let { url } = wanted;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#once(wanted, url);
      const location = redirectOf(wanted, response);
      if (location === undefined) return response;
      await discard(response);
      url = this.#next(url, location);
      if (redirects >= MAX_REDIRECTS) {
        throw new RegistryError(
          "refused",
          `Cannot follow ${wanted.url.origin}: it redirects more than ${MAX_REDIRECTS} times`,
        );
      }
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #once(
    { method, headers, authorization, body, answerMs, signal, url: asked }: HttpRequest,
    url: URL,
  ): Promise<HttpResponse> {
    signal?.throwIfAborted();
    this.#checkScheme(url);
    const content = body?.();
    try {
      const answer = await request(url, {
        method,
        dispatcher: this.#agent,
        headers: {
          "user-agent": "mica",
          "accept-encoding": "identity",
          ...headers,
          // What was meant for one host is not for another.
          ...(authorization !== undefined && url.origin === asked.origin && { authorization }),
        },
        ...(content !== undefined && { body: content }),
        ...(answerMs !== undefined && { headersTimeout: answerMs }),
        ...(signal !== undefined && { signal }),
      });
      // Abandoned bodies end in an error that nobody waits for.
      answer.body.on("error", () => undefined);
      return { status: answer.statusCode, headers: answer.headers, body: answer.body, url };
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  #next(from: URL, location: string): URL {
    const next = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    if (next === undefined) {
      throw new RegistryError("damaged", `Cannot follow ${from.origin}: it redirects to what is not an address`);
    }
    next.username = "";
    next.password = "";
    this.#checkScheme(next);
    return next;
  }

  #checkScheme(url: URL): void {
    if (url.protocol === "https:" || (url.protocol === "http:" && this.#trust.insecure)) return;
    throw new RegistryError(
      "refused",
      `Cannot use ${url.origin}: plain HTTP has to be allowed, with --insecure or by \`insecure\` in the configuration`,
    );
  }
}

function redirectOf({ method }: HttpRequest, { status, headers }: HttpResponse): string | undefined {
  const location = headers.location;
  if (typeof location !== "string") return undefined;
  if (status === 307 || status === 308) return location;
  // The other kinds would turn a request with a body into one without.
  return [301, 302, 303].includes(status) && (method === "GET" || method === "HEAD") ? location : undefined;
}
