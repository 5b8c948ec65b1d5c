import { createHash, type Hash } from "node:crypto";
import { StoreError } from "./store-error.ts";

/** "sha256:" and 64 hexadecimal digits. */
export type Digest = string;

const lengths: Partial<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Whether a text is a digest of an algorithm that images use (OCI image-spec, descriptor.md, "Digests"). */
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

/**
 * Names a stack of layers by what is in it (OCI image-spec, config.md, "Layer ChainID").
 *
 * @param parent chain ID of the layers below, undefined for none
 */
export function chainId(parent: Digest | undefined, diffId: Digest): Digest {
  return parent === undefined ? diffId : sha256(`${parent} ${diffId}`);
}

/** Chain IDs of an image's layers, bottom first. */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) chain.push(chainId(chain.at(-1), diffId));
  return chain;
}

/** Checks bytes against a digest. @throws StoreError damaged */
export function verifyDigest(bytes: Uint8Array, digest: Digest, what: string): void {
  const found = hashFor(digest).update(bytes).digest("hex");
  if (found === hexOf(digest)) return;
  throw new StoreError("damaged", `Cannot use ${what}: it should have digest ${digest} and has ${found}`);
}
