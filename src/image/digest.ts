import { hashFor, hexOf, sha256, type Digest } from "../layer/digest.ts";
import { StoreError } from "./store-error.ts";

export { hashFor, hexOf, isDigest, sha256, type Digest } from "../layer/digest.ts";

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
