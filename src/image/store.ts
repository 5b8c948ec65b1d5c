import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { KeyedQueue } from "../graph/locks/keyed-queue.ts";
import type { Change } from "../layer/change.ts";
import { chainIds } from "./digest.ts";
import { findContainer } from "./find-container.ts";
import { findImage, layersOf } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import { parseImageConfig } from "./image-config.ts";
import type { ContainerRecord } from "./records.ts";
import type { RemovedImage } from "./remove-image.ts";
import { StoreError } from "./store-error.ts";
import type {
  ContainerSummary,
  CreateOptions,
  ImageSummary,
  ImportOptions,
  LongOptions,
  PulledImage,
  PullOptions,
  PushedImage,
  PushOptions,
  TreeNode,
} from "./types.ts";

/**
 * The images and containers of one graph. Any number of calls may run at once, in any number of processes. Methods throw
 * StoreError for what a user can put right, and what the graph threw.
 */
export class Store {
  readonly #context: ImageContext;
  /** Containers that this object mounted, with their paths. */
  readonly #mounted = new Map<string, string>();
  readonly #mounting = new KeyedQueue<string>();

  /** Use `openImageStore`. */
  constructor(context: ImageContext) {
    this.#context = context;
  }

  /** All images. */
  images(): Promise<ImageSummary[]> {
    const { files } = this.#context;
    return promise(() => files.imageIds().map((id) => this.#summary(id)));
  }

  /** All containers. */
  async containers(): Promise<ContainerSummary[]> {
    const { devices, files } = this.#context;
    const containers = files.containers();
    if (containers.length === 0) return [];
    const mountPoints = new Map((await devices.devices()).map(({ id, mountPoint }) => [id, mountPoint]));
    return containers.map((record) => this.#containerSummary(record, mountPoints.get(record.device)));
  }

  /** One image by name, ID or the start of its ID. @throws StoreError not-found, ambiguous */
  image(nameOrId: string): Promise<ImageSummary> {
    return promise(() => this.#summary(findImage(this.#context.files, nameOrId).id));
  }

  /** One container by ID, name or the start of its ID. @throws StoreError not-found, ambiguous */
  async container(nameOrId: string): Promise<ContainerSummary> {
    const record = findContainer(this.#context.files, nameOrId);
    return this.#containerSummary(record, (await this.#context.devices.device(record.device))?.mountPoint);
  }

  /**
   * Brings an image in: an OCI image layout (folder or tar), a `docker save` archive, or a tar of a root file system. Layers
   * that are there are shared. Interrupted, it leaves nothing behind.
   *
   * @param name such as "app" or "app:2"; taken from the image that had it
   * @param source a path, or "-" for standard input; or `oci:`, `oci-archive:` or `docker-archive:` and a path, and then it has to be
   *   that; or `docker://` and a name, which is pulled
   */
  async import(name: string, source: string, options: ImportOptions = {}): Promise<{ id: string }> {
    const [{ importImage }, { parseImageForm }, { withoutDownloads }] = await Promise.all([
      import("./import-image.ts"),
      import("./image-form.ts"),
      import("./import-progress.ts"),
    ]);
    const form = parseImageForm(source, "import");
    if (form?.kind !== "docker") {
      return this.#making(() => importImage(this.#context, name, form ?? source, options));
    }
    const { progress, ...rest } = options;
    const { id } = await this.pull(form.reference, { ...rest, name, progress: withoutDownloads(progress) });
    return { id };
  }

  /**
   * Brings an image in from a registry, or the mirrors that are set for it. Layers that are there are not downloaded; the others are
   * unpacked while they come. Interrupted, it leaves nothing behind.
   *
   * @param reference such as "alpine", "alpine:3.20", "host:5000/team/app@sha256:…"
   * @throws RegistryError
   */
  async pull(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const { pullImage } = await import("./pull-image.ts");
    return this.#making(() => pullImage(this.#context, reference, options));
  }

  /**
   * Sends an image to a registry. Of its layers only those are sent that are not there.
   *
   * @param reference where to, such as "host:5000/team/app:1"; default: the name it was asked for by
   * @throws RegistryError
   */
  async push(image: string, reference?: string, options: PushOptions = {}): Promise<PushedImage> {
    const { pushImage } = await import("./push-image.ts");
    return pushImage(this.#context, image, reference, options);
  }

  /** Makes a container of an image, or of a snapshot of a container. @throws StoreError exists, invalid (name) */
  async create(image: string, options: CreateOptions = {}): Promise<{ id: string; name: string }> {
    const { createContainer } = await import("./create-container.ts");
    return createContainer(this.#context, image, options);
  }

  /**
   * Makes a snapshot of a container, which may be mounted: a container that stays as it is, to be sent, to send increments from, and to `create`
   * containers of. It takes no space until the container changes.
   *
   * @throws StoreError exists, invalid (name)
   */
  async snapshot(container: string, name: string): Promise<{ id: string; name: string; snapshot: string }> {
    const { snapshotContainer } = await import("./snapshot-container.ts");
    return snapshotContainer(this.#context, container, name);
  }

  /** Mounts a container, if it is not; resolves to the path of its root file system. It stays mounted when the process ends. */
  async mount(container: string): Promise<string> {
    const { id, name, device, snapshot } = findContainer(this.#context.files, container);
    if (snapshot !== undefined) {
      const instead = `\`mica create ${name} NAME\` makes a container of it`;
      throw new StoreError(
        "invalid",
        `Cannot mount container ${name}: it is a snapshot, which stays as it is. ${instead}`,
      );
    }
    return this.#mounting.run(id, async () => {
      const mounted = this.#mounted.get(id);
      if (mounted !== undefined) {
        if (existsSync(mounted)) return mounted;
        await this.#put(id, device); // somebody unmounted it by other means
      }
      const path = await this.#context.devices.get(device, { takeOver: true });
      this.#mounted.set(id, path);
      return path;
    });
  }

  /** Unmounts a container, whoever mounted it. @throws StoreError invalid when it is not mounted */
  async umount(container: string): Promise<void> {
    const { devices, files } = this.#context;
    const { id, name, device } = findContainer(files, container);
    return this.#mounting.run(id, async () => {
      if ((await devices.device(device))?.mountPoint === undefined) {
        if (this.#mounted.has(id)) await this.#put(id, device);
        throw new StoreError("invalid", `Cannot unmount container ${name}: it is not mounted`);
      }
      if (this.#mounted.has(id)) await this.#put(id, device);
      else await devices.unmountLeft(device);
    });
  }

  /** What differs between a container and its image, as `docker diff`. */
  async diff(container: string): Promise<Change[]> {
    const [{ changes }, { withMountedPair }, { withTemporarySnapshot }] = await Promise.all([
      import("../layer/changes.ts"),
      import("./mounted-pair.ts"),
      import("./temporary-snapshot.ts"),
    ]);
    const { devices, files } = this.#context;
    const { device, below, imageId, snapshot } = findContainer(files, container);
    const parent = below ?? layersOf(files, findImage(files, imageId)).at(-1)?.device;
    const compare = (root: string): Promise<Change[]> => withMountedPair(devices, root, parent, changes);
    return snapshot === undefined ? compare(device) : withTemporarySnapshot(this.#context, device, compare);
  }

  /** Makes an image of a container as it is; it may be mounted. */
  async commit(container: string, name: string, options: LongOptions = {}): Promise<{ id: string }> {
    const { commitContainer } = await import("./commit-container.ts");
    return this.#making(() => commitContainer(this.#context, container, name, options));
  }

  /** Writes a container's whole file tree as a tar, and ends the stream; on failure the stream is destroyed. */
  async export(container: string, writable: Writable, options: LongOptions = {}): Promise<void> {
    const { exportContainer } = await import("./export-container.ts");
    return exportContainer(this.#context, container, writable, options);
  }

  /** Writes an archive that is an OCI image layout and a `docker load` archive, to a file or a stream. */
  async save(image: string, target: string | Writable, options: LongOptions = {}): Promise<void> {
    const { saveImage } = await import("./save-image.ts");
    return saveImage(this.#context, image, target, options);
  }

  /** Removes a container. @throws StoreError in-use while it is mounted or exported */
  async removeContainer(nameOrId: string): Promise<void> {
    const { removeContainer } = await import("./remove-container.ts");
    return removeContainer(this.#context, nameOrId);
  }

  /**
   * Takes one name off an image; with the last name, or by ID, the image goes, with all layers that nothing else uses.
   *
   * @throws StoreError in-use when a container stands on it
   */
  async removeImage(nameOrId: string): Promise<RemovedImage> {
    const { removeImage } = await import("./remove-image.ts");
    return removeImage(this.#context, nameOrId);
  }

  /** The devices as they stand on each other: base → layers → containers. */
  async tree(): Promise<TreeNode> {
    const { layerTree } = await import("./layer-tree.ts");
    return layerTree(this.#context);
  }

  /** What is wrong between records and devices; empty when nothing is. */
  async check(): Promise<string[]> {
    const { checkStore } = await import("./check-store.ts");
    return checkStore(this.#context);
  }

  /** Settles what processes that died since this one opened the graph left half done; opening it did the same of those before. */
  async settle(): Promise<void> {
    const { settleStore } = await import("./settle-store.ts");
    await settleStore(this.#context);
  }

  async #put(id: string, device: string): Promise<void> {
    await this.#context.devices.put(device);
    this.#mounted.delete(id);
  }

  /** Makes an image under a mark; the layers of one that failed are removed. */
  async #making<T>(make: () => Promise<T>): Promise<T> {
    try {
      return await this.#context.imports.during(make);
    } finally {
      if (this.#context.imports.any()) {
        const { collectLayers } = await import("./collect-layers.ts");
        await collectLayers(this.#context);
      }
    }
  }

  #containerSummary(record: ContainerRecord, mountPoint: string | undefined): ContainerSummary {
    const { id, name, imageId, image, created, device, sizeBytes, snapshot } = record;
    return {
      id,
      name,
      imageId,
      image,
      created,
      device,
      sizeBytes,
      mountPoint: mountPoint === undefined ? undefined : join(mountPoint, "rootfs"),
      snapshot,
      imageMissing: this.#context.files.imageConfig(imageId) === undefined,
    };
  }

  #summary(id: string): ImageSummary {
    const { files } = this.#context;
    const config = parseImageConfig(files.imageConfig(id) ?? Buffer.alloc(0), `image ${id}`);
    const layers = chainIds(config.diffIds);
    const references = Object.entries(files.references()).filter(
      ([name, image]) => image === id && !name.includes("@"),
    );
    return {
      id,
      references: references.map(([name]) => name).sort(),
      created: config.created,
      architecture: config.architecture,
      os: config.os,
      sizeBytes: layers.reduce((sum, layer) => sum + (files.layer(layer)?.contentBytes ?? 0), 0),
      layers,
    };
  }
}

/** For what is done at once and yet promised: a failure is a rejection. */
async function promise<T>(task: () => T): Promise<T> {
  await Promise.resolve();
  return task();
}
