import * as v from "valibot";

/** A layer that is unpacked on a device; `layers/<chain ID's digits>.json`. */
export const layerRecordSchema = v.object({
  chainId: v.string(),
  diffId: v.string(),
  /** Chain ID of the layers below. */
  parent: v.optional(v.string()),
  /** The graph's name of its device. */
  device: v.string(),
  /** Length of its uncompressed tar. */
  tarBytes: v.number(),
  /** Bytes of its regular files. */
  contentBytes: v.number(),
});
export type LayerRecord = v.InferOutput<typeof layerRecordSchema>;

/** A blob of a registry that a layer came from or went to. */
export const layerBlobSchema = v.object({
  digest: v.string(),
  sizeBytes: v.number(),
  mediaType: v.string(),
  /** "docker.io", "host:5000" */
  registry: v.string(),
  /** "library/alpine" */
  path: v.string(),
});
export type LayerBlob = v.InferOutput<typeof layerBlobSchema>;

/** The blobs that a layer is known by, the last one first; `layers/<chain ID's digits>.blobs.json`. */
export const layerBlobsSchema = v.array(layerBlobSchema);

/** A container; `containers/<id>.json`. */
export const containerRecordSchema = v.pipe(
  v.object({
    id: v.string(),
    name: v.string(),
    imageId: v.string(),
    image: v.string(),
    created: v.string(),
    sizeBytes: v.optional(v.number()),
    /** The graph's name of its device, where it has not the container's ID: one that Docker made. */
    device: v.optional(v.string()),
    /** The device that it began as a snapshot of, where that is not its image's top layer: Docker's `<hash>-init`. */
    below: v.optional(v.string()),
    /** What it runs with, in place of its image's `config`: an image of it gets that. */
    config: v.optional(v.record(v.string(), v.unknown())),
    /** Of a snapshot, whose device is sealed: what tells it from others, here and where it was sent to. 64 hexadecimal digits. */
    snapshot: v.optional(v.string()),
    /** It came from another graph and holds all that it needs itself: its image may be missing here. */
    received: v.optional(v.boolean()),
  }),
  v.transform((file) => ({ ...file, device: file.device ?? file.id })),
);
export type ContainerRecord = v.InferOutput<typeof containerRecordSchema>;

/** Names of images, each with the image's ID; `references.json`. */
export const referencesSchema = v.record(v.string(), v.string());
export type References = v.InferOutput<typeof referencesSchema>;
