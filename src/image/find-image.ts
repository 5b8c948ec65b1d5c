import { chainIds, hexOf, type Digest } from "./digest.ts";
import { parseImageConfig, type ImageConfig } from "./image-config.ts";
import { parseReference } from "./reference.ts";
import type { LayerRecord, References } from "./records.ts";
import { StoreError } from "./store-error.ts";
import type { StoreFiles } from "./store-files.ts";

/** An image of the store. */
export interface FoundImage {
  id: Digest;
  /** The name it was asked for by; undefined when by ID. */
  reference: string | undefined;
  config: ImageConfig;
  configBytes: Buffer;
}

/**
 * Finds an image by name, ID, or the start of its ID; a name goes before an ID that begins like it.
 *
 * @throws StoreError not-found, or ambiguous with what it may mean
 */
export function findImage(files: StoreFiles, nameOrId: string): FoundImage {
  const byName = findReference(files.references(), nameOrId);
  const id = byName?.id ?? findId(files, nameOrId);
  const configBytes = files.imageConfig(id);
  if (configBytes === undefined) {
    throw new StoreError(
      "damaged",
      `Cannot use image '${nameOrId}': the configuration of ${id} is missing; import it again`,
    );
  }
  return { id, reference: byName?.reference, configBytes, config: parseImageConfig(configBytes, `image ${id}`) };
}

/** An image's layers, bottom first. @throws StoreError damaged when one is missing */
export function layersOf(files: StoreFiles, image: Pick<FoundImage, "id" | "config">): LayerRecord[] {
  return chainIds(image.config.diffIds).map((chain) => {
    const layer = files.layer(chain);
    if (layer === undefined) {
      throw new StoreError("damaged", `Cannot use image ${image.id}: its layer ${chain} is missing; import it again`);
    }
    return layer;
  });
}

function findReference(references: References, name: string): { id: Digest; reference: string } | undefined {
  let parsed;
  try {
    parsed = parseReference(name);
  } catch {
    return undefined; // an ID, or the start of one
  }
  const byDigest = parsed.digest === undefined ? undefined : `${parsed.repository}@${parsed.digest}`;
  const key = byDigest ?? parsed.text;
  const id = Object.hasOwn(references, key) ? references[key] : undefined;
  if (id !== undefined) return { id, reference: key };
  // Here an image's ID may serve as its digest too.
  const sameId = Object.entries(references).find(
    ([reference, image]) => image === parsed.digest && reference.startsWith(`${parsed.repository}:`),
  );
  return sameId === undefined ? undefined : { id: sameId[1], reference: sameId[0] };
}

function findId(files: StoreFiles, nameOrId: string): Digest {
  const prefix = nameOrId.replace(/^sha256:/, "");
  const matching = /^[0-9a-f]{1,64}$/.test(prefix) ? files.imageIds().filter((id) => hexOf(id).startsWith(prefix)) : [];
  if (matching.length === 1) return matching[0];
  if (matching.length === 0) {
    throw new StoreError("not-found", `Cannot find image '${nameOrId}': there is none of that name or ID`);
  }
  throw new StoreError("ambiguous", `Cannot tell which image '${nameOrId}' is: ${matching.join(", ")}`);
}
