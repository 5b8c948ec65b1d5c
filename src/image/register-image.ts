import { sha256, type Digest } from "./digest.ts";
import type { ImageContext } from "./image-context.ts";
import type { ImageReference } from "./reference.ts";
import { StoreError } from "./store-error.ts";

/** An image whose layers are all there. */
export interface NewImage {
  id: Digest;
  config: Buffer;
  /** Chain IDs, bottom first. */
  layers: readonly Digest[];
  reference: ImageReference;
  manifestDigest: Digest | undefined;
}

/**
 * Makes layers an image and gives it its name, taking that from the image that had it.
 *
 * @throws StoreError in-use when one of its layers was removed since, with the image that another process just removed
 */
export async function registerImage({ files, locks, imports }: ImageContext, image: NewImage): Promise<{ id: Digest }> {
  return locks.records(() => {
    const gone = image.layers.find((layer) => files.layer(layer) === undefined);
    if (gone !== undefined) {
      throw new StoreError("in-use", `Cannot finish image ${image.id}: layer ${gone} was removed meanwhile; try again`);
    }
    if (sha256(image.config) !== image.id)
      throw new StoreError("damaged", `Cannot keep a configuration as ${image.id}`);
    if (files.imageConfig(image.id) === undefined) imports.noteNameless(image.id);
    files.addImage(image.id, image.config);
    const references = { ...files.references(), [image.reference.text]: image.id };
    if (image.manifestDigest !== undefined) {
      references[`${image.reference.repository}@${image.manifestDigest}`] = image.id;
    }
    files.writeReferences(references);
    imports.forgetNameless(image.id);
    return { id: image.id };
  });
}
