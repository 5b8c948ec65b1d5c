import type { Readable } from "node:stream";
import { isDigest, sha256, type Digest } from "../layer/digest.ts";
import type { BlobDescriptor } from "./blob-download.ts";
import { Endpoint } from "./endpoint.ts";
import { discard } from "./http/read-bounded.ts";
import type { HttpResponse } from "./http/transport.ts";
import { pauseBefore, usualPatience } from "./patience.ts";
import type { Place } from "./places.ts";
import { RegistryError } from "./registry-error.ts";
import type { RegistryAccess } from "./repository.ts";

/** Registries on object stores take their time over a large blob once they have it. */
const UPLOAD_ANSWER_MS = 600_000;

/** One repository of a registry, to push to. Close it. */
export class PushRepository {
  readonly #path: string;
  readonly #endpoint: Endpoint;

  /** @param path "team/app" */
  constructor(path: string, place: Place, { credentials, patience = usualPatience }: RegistryAccess) {
    this.#path = path;
    this.#endpoint = new Endpoint(place, credentials, patience);
  }

  /** Whether a blob is there already. @throws RegistryError */
  async has({ digest, sizeBytes }: BlobDescriptor, signal: AbortSignal | undefined): Promise<boolean> {
    const response = await this.#endpoint.send({
      doing: `look for blob ${digest} in ${this.#path}`,
      method: "HEAD",
      to: `${this.#path}/blobs/${digest}`,
      scopes: this.#scopes(),
      expected: [200, 404],
      signal,
    });
    await discard(response);
    const length = response.headers["content-length"];
    return response.status === 200 && (length === undefined || Number(length) === sizeBytes);
  }

  /**
   * Has a blob of another repository of the registry put into this one.
   *
   * @returns false where the registry will not: the blob is gone there, or this user may not read it
   * @throws RegistryError
   */
  async mount({ digest }: BlobDescriptor, from: string, signal: AbortSignal | undefined): Promise<boolean> {
    const response = await this.#endpoint.send({
      doing: `take blob ${digest} from ${from}`,
      method: "POST",
      to: `${this.#path}/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`,
      headers: { "content-length": "0" },
      scopes: [...this.#scopes(), `repository:${from}:pull`],
      expected: [201, 202, 400, 401, 403, 404, 405],
      signal,
    });
    await discard(response);
    // In place of the blob it may offer to take an upload, which is done by who wants it.
    if (response.status === 202) await this.#cancel(response);
    return response.status === 201;
  }

  /**
   * Sends a blob whole; where that breaks off, again from its start.
   *
   * @param open reads the blob anew
   * @throws RegistryError
   */
  async upload(blob: BlobDescriptor, open: () => Readable | Buffer, signal: AbortSignal | undefined): Promise<void> {
    const { patience } = this.#endpoint;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#uploadOnce(blob, open, signal);
        return;
      } catch (error) {
        signal?.throwIfAborted();
        const again = error instanceof RegistryError && mayGoOn(error);
        if (!again || !(await pauseBefore(attempt, patience, undefined, signal))) throw error;
      }
    }
  }

  /**
   * Gives what was sent a name.
   *
   * @param reference a tag, or the manifest's digest
   * @returns its digest
   * @throws RegistryError
   */
  async putManifest(
    reference: string,
    manifest: { bytes: Buffer; mediaType: string },
    signal: AbortSignal | undefined,
  ): Promise<Digest> {
    const { bytes, mediaType } = manifest;
    const response = await this.#endpoint.send({
      doing: `push ${this.#path}${isDigest(reference) ? "@" : ":"}${reference}`,
      method: "PUT",
      to: `${this.#path}/manifests/${reference}`,
      headers: { "content-type": mediaType, "content-length": String(bytes.length) },
      body: () => bytes,
      scopes: this.#scopes(),
      expected: [200, 201, 202, 204],
      signal,
    });
    await discard(response);
    const digest = sha256(bytes);
    const told = response.headers["docker-content-digest"];
    if (typeof told === "string" && told.startsWith("sha256:") && told !== digest) {
      throw new RegistryError("damaged", `Cannot push ${this.#path}: the registry took manifest ${digest} for ${told}`);
    }
    return digest;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.#endpoint.close();
  }

  async #uploadOnce(
    { digest, sizeBytes }: BlobDescriptor,
    open: () => Readable | Buffer,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const begun = await this.#endpoint.send({
      doing: `begin to send blob ${digest} to ${this.#path}`,
      method: "POST",
      to: `${this.#path}/blobs/uploads/`,
      headers: { "content-length": "0" },
      scopes: this.#scopes(),
      expected: [202],
      signal,
    });
    await discard(begun);
    const session = sessionOf(begun);
    // Behind what it says, which may be signed as it is.
    session.search += `${session.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`;
    const response = await this.#endpoint.send({
      doing: `send blob ${digest} to ${this.#path}`,
      method: "PUT",
      to: session,
      headers: { "content-type": "application/octet-stream", "content-length": String(sizeBytes) },
      body: open,
      answerMs: Math.max(this.#endpoint.patience.answerMs, UPLOAD_ANSWER_MS),
      scopes: this.#scopes(),
      expected: [201, 204],
      attempts: "once",
      signal,
    });
    await discard(response);
  }

  /** The registry forgets uploads that nobody goes on with; asking is only polite. */
  async #cancel(response: HttpResponse): Promise<void> {
    try {
      const cancelled = await this.#endpoint.send({
        doing: "give up an upload",
        method: "DELETE",
        to: sessionOf(response),
        scopes: this.#scopes(),
        expected: [200, 202, 204],
        attempts: "once",
        signal: undefined,
      });
      await discard(cancelled);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
    }
  }

  #scopes(): string[] {
    return [`repository:${this.#path}:pull,push`];
  }
}

function sessionOf({ headers, url }: HttpResponse): URL {
  const location = headers.location;
  if (typeof location !== "string" || !URL.canParse(location, url.href)) {
    throw new RegistryError("damaged", `Cannot send to ${url.origin}: it does not say where to`);
  }
  return new URL(location, url);
}

/** Of another upload more may come; not of another where the registry will have none of it. */
function mayGoOn({ code, status }: RegistryError): boolean {
  if (status === undefined) return code === "unreachable";
  return status === 404 || status === 408 || status === 416 || status === 429 || status >= 500;
}
