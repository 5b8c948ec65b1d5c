import type { Digest } from "../image/digest.ts";
import type { ImageConfig } from "../image/image-config.ts";

/** A layer of an image, as Docker stored it. */
export interface StoredLayer {
  /** Its chain ID; of a layer of Docker 1.9 or older, its image's ID, as neither chain nor diff ID were known then. */
  key: string;
  diffId: Digest | undefined;
  /** The key of the layer below. */
  parent: string | undefined;
  /** The graph's name of its device. */
  device: string;
  /** Bytes of its files, as Docker counted them. */
  contentBytes: number | undefined;
  /** The file with all of its tar but the files' contents, where there is one. */
  tarRecord: string | undefined;
}

/** The image of Docker 1.9 or older, from which its configuration is made. */
export interface V1Image {
  /** 64 hexadecimal digits, chosen at random or by Docker 1.8's own rule: no digest of the content. */
  id: string;
  json: Record<string, unknown>;
}

/** An image, as Docker stored it. */
export interface StoredImage {
  /** "sha256:…", the digest of its configuration; of Docker 1.9 or older, 64 hexadecimal digits. */
  id: string;
  /** Names, such as "alpine:3.20"; sorted. */
  references: string[];
  /** Made only on the way to another image, by a build: `docker images` shows it with --all only. */
  intermediate: boolean;
  created: string | undefined;
  architecture: string | undefined;
  os: string | undefined;
  /** Bottom first. Those that are missing are told among the problems. */
  layers: StoredLayer[];
  /** Why it cannot be exported, where that is known without reading its files. */
  broken: string | undefined;
  source: { kind: "content-addressed"; configBytes: Buffer; config: ImageConfig } | { kind: "v1"; chain: V1Image[] };
}
