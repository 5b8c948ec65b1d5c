import type { StoredContainer } from "../../docker-graph/containers.ts";
import type { StoredImage } from "../../docker-graph/stored-image.ts";
import { baseId } from "../../graph/devices/device-names.ts";
import { sha256, type Digest } from "../../image/digest.ts";
import { isContainerName } from "../../image/container-name.ts";
import { imageLabel } from "../device-labels.ts";
import { configFromV1 } from "../v1-config.ts";
import { recordLayers, type RecordContext } from "./record-layers.ts";

/** What of a Docker graph became images and containers of Mica's. */
export interface AdoptedRecords {
  /** Names, or the ID where an image has none. */
  images: string[];
  /** Names. */
  containers: string[];
  /** What could not be taken over, by name, and why. */
  leftOut: string[];
}

/**
 * Writes the store's records of Docker's images and containers, on the devices that they have. What is recorded already is left alone,
 * so it may be done again after Docker was at work in between.
 */
export async function adoptRecords(context: RecordContext): Promise<AdoptedRecords> {
  const { graph, locks, signal } = context;
  const adopted: AdoptedRecords = { images: [], containers: [], leftOut: [] };
  const newIds = new Map<string, Digest>();
  const attempt = async (what: string, name: string, list: string[], task: () => Promise<void>): Promise<void> => {
    try {
      await task();
      list.push(name);
    } catch (error) {
      signal?.throwIfAborted();
      adopted.leftOut.push(`${what} ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  for (const image of graph.images) {
    await attempt("Image", imageLabel(image), adopted.images, async () => {
      newIds.set(image.id, await adoptImage(context, image));
    });
  }
  for (const container of graph.containers) {
    await attempt("Container", container.name, adopted.containers, () =>
      locks.records(() => adoptContainer(context, container, newIds)),
    );
  }
  return adopted;
}

/** @returns the image's ID, which for one of Docker 1.9 or older is a new one */
async function adoptImage(context: RecordContext, image: StoredImage): Promise<Digest> {
  const { files, locks } = context;
  if (image.broken !== undefined) throw new Error(image.broken);
  const layers = await recordLayers(context, image.layers);
  const { source } = image;
  const config =
    source.kind === "v1"
      ? configFromV1(
          source.chain,
          layers.map(({ diffId }) => diffId),
        )
      : source.configBytes;
  const id = sha256(config);
  await locks.records(() => {
    files.addImage(id, config);
    const references = files.references();
    const added = image.references.filter((name) => !Object.hasOwn(references, name));
    if (added.length > 0) {
      files.writeReferences({ ...references, ...Object.fromEntries(added.map((name) => [name, id])) });
    }
  });
  return id;
}

function adoptContainer(
  { files, graph }: RecordContext,
  container: StoredContainer,
  newIds: ReadonlyMap<string, Digest>,
): void {
  const { id, name, mount } = container;
  const imageId = newIds.get(container.imageId);
  if (files.container(id) !== undefined) return;
  if (mount === undefined) throw new Error("it is not told which device is its own");
  const { devices } = graph.deviceFiles;
  const metadata = devices.get(mount.device);
  if (metadata === undefined || metadata.deleted) throw new Error(`it has lost its device ${mount.device}`);
  if (imageId === undefined) throw new Error(`its image ${container.imageId} is gone; mica adopt export saves it`);
  if (!isContainerName(name)) throw new Error("its name is not allowed here");
  const holder = files.containerIdOfName(name);
  if (holder !== undefined) throw new Error(`container ${holder.slice(0, 12)} has its name already`);
  const top = graph.images.find((image) => image.id === container.imageId)?.layers.at(-1)?.device ?? baseId;
  files.writeContainer({
    id,
    name,
    imageId,
    image: container.image || imageId,
    created: container.created ?? new Date().toISOString(),
    device: mount.device,
    config: container.config,
    ...(mount.initDevice !== undefined && { below: mount.initDevice }),
    ...(metadata.sizeBytes !== devices.get(top)?.sizeBytes && { sizeBytes: metadata.sizeBytes }),
  });
}
