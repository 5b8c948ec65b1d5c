import { createHash, type Hash } from "node:crypto";

/** An algorithm's name and hexadecimal digits: "sha256:" and 64 of them (OCI image-spec, descriptor.md, "Digests"). */
export type Digest = string;

const lengths: Partial<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Whether a text is a digest of an algorithm that images use. */
export function isDigest(text: string): boolean {
  const match = /^(sha256|sha384|sha512):([0-9a-f]+)$/.exec(text);
  return match !== null && match[2].length === lengths[match[1]];
}

/** sha256 digest of bytes. */
export function sha256(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A hash of the algorithm a digest names. */
export function hashFor(digest: Digest): Hash {
  return createHash(digest.slice(0, digest.indexOf(":")));
}

/** What follows "sha256:". */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}
