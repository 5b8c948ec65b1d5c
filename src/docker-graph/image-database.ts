import { join } from "node:path";
import { chainIds, isDigest, sha256, type Digest } from "../image/digest.ts";
import { parseImageConfig, type ImageConfig } from "../image/image-config.ts";
import { readStoredBytes, readStoredText, storedNames, type Problems } from "./stored-file.ts";
import type { StoredImage, StoredLayer } from "./stored-image.ts";

/**
 * Reads `imagedb`: images since Docker 1.10. One whose configuration cannot be used is left out and noted.
 *
 * @param namesByImage undefined where the names are lost: then no image is taken for one that a build left
 */
export function readImages(
  imagedb: string,
  layers: ReadonlyMap<Digest, StoredLayer>,
  namesByImage: ReadonlyMap<string, string[]> | undefined,
  problems: Problems,
): StoredImage[] {
  const references = namesByImage ?? new Map<string, string[]>();
  const parents = new Set<string>();
  const images: StoredImage[] = [];
  for (const name of storedNames(join(imagedb, "content", "sha256"), "The images", problems)) {
    const id = `sha256:${name}`;
    if (!isDigest(id)) continue;
    const names = references.get(id) ?? [];
    const what = names.length === 0 ? `Image ${id}` : `Image ${names.join(", ")} (${id})`;
    const parent = readStoredText(join(imagedb, "metadata", "sha256", name, "parent"), what, problems)?.trim();
    if (parent !== undefined) parents.add(parent);
    const image = readImage(join(imagedb, "content", "sha256", name), id, what, problems);
    if (image !== undefined) images.push(imageOf(id, names, image, layers, what, problems));
  }
  const found = new Set(images.map(({ id }) => id));
  for (const [id, names] of references) {
    if (!found.has(id) && !problems.some((problem) => problem.includes(id))) {
      problems.push(`Image ${names.join(", ")} (${id}): its configuration is missing`);
    }
  }
  if (namesByImage === undefined) return images;
  return images.map((image) => ({ ...image, intermediate: image.references.length === 0 && parents.has(image.id) }));
}

function readImage(
  path: string,
  id: Digest,
  what: string,
  problems: Problems,
): { bytes: Buffer; config: ImageConfig } | undefined {
  const bytes = readStoredBytes(path, what, problems);
  if (bytes === undefined) return undefined;
  if (sha256(bytes) !== id) {
    problems.push(`${what}: its configuration '${path}' is damaged: it does not have that digest`);
    return undefined;
  }
  try {
    return { bytes, config: parseImageConfig(bytes, `the configuration of image ${id}`) };
  } catch (error) {
    problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function imageOf(
  id: Digest,
  references: string[],
  { bytes, config }: { bytes: Buffer; config: ImageConfig },
  layers: ReadonlyMap<Digest, StoredLayer>,
  what: string,
  problems: Problems,
): StoredImage {
  const chain = chainIds(config.diffIds);
  const missing = chain.filter((chainId) => !layers.has(chainId));
  const broken =
    missing.length === 0
      ? undefined
      : `${missing.length} of its ${chain.length} layers ${missing.length === 1 ? "is" : "are"} missing or damaged: ${missing.join(", ")}`;
  if (broken !== undefined) problems.push(`${what}: ${broken}`);
  return {
    id,
    references,
    intermediate: false,
    created: config.created,
    architecture: config.architecture,
    os: config.os,
    layers: chain.flatMap((chainId) => layers.get(chainId) ?? []),
    broken,
    source: { kind: "content-addressed", configBytes: bytes, config },
  };
}
