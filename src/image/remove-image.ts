import { collectLayers } from "./collect-layers.ts";
import type { Digest } from "./digest.ts";
import { findImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import { StoreError } from "./store-error.ts";

/** What was removed. */
export interface RemovedImage {
  /** Names that were taken off. */
  untagged: string[];
  /** The image's ID and the chain IDs of the layers that went with it; none while the image has another name. */
  deleted: Digest[];
}

/**
 * Takes a name off an image; with its last name, or when it is given by ID, the image goes, with the layers that no other has.
 *
 * @throws StoreError in-use when a container stands on it
 */
export async function removeImage(context: ImageContext, nameOrId: string): Promise<RemovedImage> {
  const { files, locks, imports } = context;
  const removed = await locks.records((): RemovedImage => {
    const image = findImage(files, nameOrId);
    const references = files.references();
    const names = Object.keys(references).filter((name) => references[name] === image.id);
    const tags = names.filter((name) => !name.includes("@"));
    const remaining = image.reference === undefined ? [] : tags.filter((name) => name !== image.reference);
    if (remaining.length > 0 && image.reference !== undefined) {
      files.writeReferences(without(references, [image.reference]));
      return { untagged: [image.reference], deleted: [] };
    }
    const users = files.containers().filter(({ imageId }) => imageId === image.id);
    if (users.length > 0) {
      const who = users
        .map(({ name }) => name)
        .slice(0, 5)
        .join(", ");
      const more = users.length > 5 ? ` and ${users.length - 5} more` : "";
      throw new StoreError(
        "in-use",
        `Cannot remove image ${nameOrId}: ${users.length === 1 ? "container" : "containers"} ${who}${more} ` +
          `${users.length === 1 ? "stands" : "stand"} on it; remove ${users.length === 1 ? "it" : "them"} first`,
      );
    }
    imports.noteNameless(image.id);
    files.writeReferences(without(references, names));
    files.deleteImage(image.id);
    return { untagged: names, deleted: [image.id] };
  });
  if (removed.deleted.length > 0) removed.deleted.push(...(await collectLayers(context)));
  return removed;
}

function without(references: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(references).filter(([name]) => !names.includes(name)));
}
