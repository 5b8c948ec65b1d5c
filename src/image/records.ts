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

/** A container; `containers/<id>.json`. Its device has the same name. */
export const containerRecordSchema = v.object({
  id: v.string(),
  name: v.string(),
  imageId: v.string(),
  image: v.string(),
  created: v.string(),
  sizeBytes: v.optional(v.number()),
});
export type ContainerRecord = v.InferOutput<typeof containerRecordSchema>;

/** Names of images, each with the image's ID; `references.json`. */
export const referencesSchema = v.record(v.string(), v.string());
export type References = v.InferOutput<typeof referencesSchema>;
