import { hashFor, hexOf, isDigest, sha256, type Digest } from "../layer/digest.ts";
import { downloadBlob, type BlobDescriptor } from "./blob-download.ts";
import type { FindCredentials } from "./credentials/credentials.ts";
import { Endpoint } from "./endpoint.ts";
import { readBounded } from "./http/read-bounded.ts";
import type { HttpResponse } from "./http/transport.ts";
import { INDEX_TYPES, MANIFEST_TYPES, SCHEMA_1_TYPES } from "./media-types.ts";
import { usualPatience, type Patience } from "./patience.ts";
import type { Place } from "./places.ts";
import { RegistryError } from "./registry-error.ts";

/** What registries accept at most of a manifest. */
const MAX_MANIFEST_BYTES = 4 << 20;
const SHOWN = 2;

/** A manifest or an index, as it came. */
export interface FetchedManifest {
  bytes: Buffer;
  digest: Digest;
  mediaType: string | undefined;
}

/** How to speak with a registry. */
export interface RegistryAccess {
  credentials: FindCredentials;
  patience?: Patience;
}

/** One repository of a registry and its mirrors, to pull from. Close it. */
export class Repository {
  readonly #path: string;
  readonly #endpoints: readonly Endpoint[];

  /**
   * @param path "library/alpine"
   * @param places mirrors, and last the registry itself
   */
  constructor(path: string, places: readonly Place[], { credentials, patience = usualPatience }: RegistryAccess) {
    this.#path = path;
    this.#endpoints = places.map((place) => new Endpoint(place, credentials, patience));
  }

  /**
   * Fetches a manifest or an index.
   *
   * @param reference a tag or a digest
   * @throws RegistryError not-found, unauthorized, damaged, unsupported (Docker's schema 1), …
   */
  manifest(reference: string, signal: AbortSignal | undefined): Promise<FetchedManifest> {
    return this.#fromFirst((endpoint) => this.#manifestOf(endpoint, reference, signal));
  }

  /** Fetches a small blob whole. @throws RegistryError */
  async smallBlob(blob: BlobDescriptor, maxBytes: number, signal: AbortSignal | undefined): Promise<Buffer> {
    if (blob.sizeBytes > maxBytes) {
      throw new RegistryError(
        "damaged",
        `Cannot use blob ${blob.digest}: it has ${blob.sizeBytes} bytes, more than ${maxBytes}`,
      );
    }
    const chunks: Buffer[] = [];
    for await (const chunk of this.blob(blob, signal)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Downloads a blob; see `downloadBlob`. */
  blob(blob: BlobDescriptor, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
    const { patience } = this.#endpoints[0];
    return downloadBlob(blob, (offset) => this.#blobFrom(blob.digest, offset, signal), { patience, signal });
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all(this.#endpoints.map((endpoint) => endpoint.close()));
  }

  async #manifestOf(endpoint: Endpoint, reference: string, signal: AbortSignal | undefined): Promise<FetchedManifest> {
    const separator = isDigest(reference) ? "@" : ":";
    const named = `${this.#path}${separator}${reference}`;
    const response = await endpoint.send({
      doing: `pull ${named}`,
      method: "GET",
      to: `${this.#path}/manifests/${reference}`,
      headers: { accept: [...INDEX_TYPES, ...MANIFEST_TYPES].join(", ") },
      scopes: this.#scopes(),
      expected: [200],
      signal,
    });
    const bytes = await readBounded(response.body, MAX_MANIFEST_BYTES);
    if (bytes === undefined) {
      throw new RegistryError("damaged", `Cannot use manifest ${named}: it has more than ${MAX_MANIFEST_BYTES} bytes`);
    }
    const mediaType = response.headers["content-type"]?.split(";")[0].trim();
    if (mediaType !== undefined && SCHEMA_1_TYPES.includes(mediaType)) {
      throw new RegistryError(
        "unsupported",
        `Cannot pull ${named}: its manifest is of Docker's schema 1, which is not supported. Push it again with Docker 1.10 or ` +
          "newer, or convert it with `skopeo copy --format v2s2`",
      );
    }
    const told = response.headers["docker-content-digest"];
    const digest = isDigest(reference) ? reference : sha256(bytes);
    checkDigest(bytes, digest, named);
    if (typeof told === "string" && isDigest(told)) checkDigest(bytes, told, named);
    return { bytes, digest, mediaType };
  }

  #blobFrom(digest: Digest, offset: number, signal: AbortSignal | undefined): Promise<HttpResponse> {
    return this.#fromFirst((endpoint) =>
      endpoint.send({
        doing: `download blob ${digest}`,
        method: "GET",
        to: `${this.#path}/blobs/${digest}`,
        headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
        scopes: this.#scopes(),
        expected: [200, 206],
        signal,
      }),
    );
  }

  /** Asks one after the other. A mirror's failure is told only where the registry fails too. */
  async #fromFirst<T>(ask: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const failures: RegistryError[] = [];
    for (const endpoint of this.#endpoints) {
      try {
        return await ask(endpoint);
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        failures.push(error);
      }
    }
    const last = failures.at(-1)!;
    const before = failures.slice(0, -1).slice(0, SHOWN);
    if (before.length === 0) throw last;
    const mirrors = before.map(({ message }) => message).join("; ");
    throw new RegistryError(last.code, `${last.message}. Of its mirrors: ${mirrors}`, { cause: last });
  }

  #scopes(): string[] {
    return [`repository:${this.#path}:pull`];
  }
}

function checkDigest(bytes: Buffer, digest: Digest, named: string): void {
  const found = hashFor(digest).update(bytes).digest("hex");
  if (found === hexOf(digest)) return;
  throw new RegistryError("damaged", `Cannot use manifest ${named}: it should have digest ${digest} and has ${found}`);
}
