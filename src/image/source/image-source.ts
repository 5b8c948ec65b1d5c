import type { Readable } from "node:stream";
import type { Digest } from "../digest.ts";
import type { ImageConfig } from "../image-config.ts";

/** A layer as a source offers it. */
export interface SourceLayer {
  /** Digest of the blob, where the source tells one. */
  digest: Digest | undefined;
  /** What its uncompressed tar's digest must be; undefined where the source has no configuration. */
  diffId: Digest | undefined;
  /** Bytes of the blob; undefined for a stream. */
  sizeBytes: number | undefined;
  /** Whether it can be opened more than once. */
  repeatable: boolean;
  open(): Readable;
  /** It is there already, and will not be opened. */
  skip?(): void;
}

/** An image, ready to be imported. */
export interface ImageSource {
  kind: "oci" | "docker-archive" | "rootfs" | "registry";
  /** How to name it in messages. */
  label: string;
  /** undefined for a plain root file system: one is made for it. */
  config: { bytes: Buffer; parsed: ImageConfig } | undefined;
  /** Digest of the manifest it was found by, if it has one. */
  manifestDigest: Digest | undefined;
  /** Bottom first. */
  layers: SourceLayer[];
  /** Removes what was made to read it. */
  close(): void | Promise<void>;
}
