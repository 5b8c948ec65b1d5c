import { isDigest } from "./digest.ts";
import { StoreError } from "./store-error.ts";

const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const domain =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?$/;
const tagForm = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** A name of an image, in the short form Docker shows: "alpine:3.20", "ghcr.io/a/b:latest", "alpine@sha256:…". */
export interface ImageReference {
  /** Without tag and digest. */
  repository: string;
  tag: string | undefined;
  digest: string | undefined;
  /** All of it. */
  text: string;
}

/**
 * Reads and normalises an image's name as Docker does: without a tag or a digest the tag is "latest"; "docker.io/library/" is
 * left out. Grammar: github.com/distribution/reference.
 *
 * @throws StoreError invalid
 */
export function parseReference(name: string): ImageReference {
  const refuse = (why: string): StoreError =>
    new StoreError(
      "invalid",
      `Cannot use '${name}' as an image's name: ${why}. Names look like app, app:2 or host:5000/team/app:2`,
    );
  const at = name.indexOf("@");
  const digest = at < 0 ? undefined : name.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw refuse(`'${digest}' is not a digest`);
  let rest = at < 0 ? name : name.slice(0, at);
  const colon = rest.lastIndexOf(":");
  let tag: string | undefined;
  if (colon > rest.lastIndexOf("/")) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!tagForm.test(tag)) throw refuse(`'${tag}' is not a tag`);
  }
  const repository = checkRepository(rest, refuse);
  if (tag === undefined && digest === undefined) tag = "latest";
  const text = repository + (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
  return { repository, tag, digest, text };
}

/** Where the image of a name is: "alpine" is "library/alpine" of "docker.io". */
export function locationOf({ repository }: Pick<ImageReference, "repository">): { registry: string; path: string } {
  const parts = repository.split("/");
  if (parts.length > 1 && isHost(parts[0])) return { registry: parts[0], path: parts.slice(1).join("/") };
  return { registry: "docker.io", path: parts.length === 1 ? `library/${repository}` : repository };
}

function isHost(part: string): boolean {
  return /[.:]/.test(part) || part === "localhost";
}

function checkRepository(text: string, refuse: (why: string) => StoreError): string {
  if (text === "") throw refuse("it has no name");
  if (text.length > 255) throw refuse("it is longer than 255 characters");
  if (/^[0-9a-f]{64}$/.test(text)) throw refuse("64 hexadecimal digits are an ID");
  const parts = text.split("/");
  let host: string | undefined;
  if (parts.length > 1 && isHost(parts[0])) host = parts.shift();
  if (host !== undefined && !domain.test(host)) throw refuse(`'${host}' is not a host`);
  for (const part of parts) {
    if (part !== part.toLowerCase()) throw refuse("capital letters are not allowed");
    if (!component.test(part)) throw refuse(part === "" ? "a part of it is empty" : `'${part}' is not allowed`);
  }
  if (host === "docker.io" || host === "index.docker.io") {
    host = undefined;
  }
  if (host === undefined && parts.length === 2 && parts[0] === "library") parts.shift();
  return host === undefined ? parts.join("/") : `${host}/${parts.join("/")}`;
}
