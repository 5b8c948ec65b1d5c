import type { RegistriesSettings } from "../graph/options/registries-table.ts";
import type { FindCredentials } from "../registry/credentials/credentials.ts";
import type { Patience } from "../registry/patience.ts";
import type { ManifestFormat } from "./push-manifest.ts";

/** An image as `images()` lists it. */
export interface ImageSummary {
  /** "sha256:…": the digest of its configuration. */
  id: string;
  /** Names it goes by, such as "alpine:3.20"; none when it was only kept by ID. */
  references: string[];
  /** When it was made, as the image says (RFC 3339), if it does. */
  created: string | undefined;
  architecture: string | undefined;
  os: string | undefined;
  /** Bytes of file content in all its layers. */
  sizeBytes: number;
  /** Chain IDs, bottom first. */
  layers: string[];
}

/** A container as `containers()` lists it. */
export interface ContainerSummary {
  /** 64 hexadecimal digits. */
  id: string;
  name: string;
  imageId: string;
  /** The name its image was asked for by. */
  image: string;
  /** RFC 3339. */
  created: string;
  /** The graph's name (hash) of its thin device. */
  device: string;
  /** Size of its device when another than its image's was asked for. */
  sizeBytes: number | undefined;
  /** Path of its root file system while it is mounted. */
  mountPoint: string | undefined;
  /** Of a snapshot, which stays as it is: what tells it from others, on every host. */
  snapshot: string | undefined;
  /** It came from another host, and its image is not here. */
  imageMissing: boolean;
}

/** What `import` tells about its way. */
export type ImportProgress =
  /** What the source turned out to be; `layers` is how many it has. */
  | { kind: "source"; source: "oci" | "docker-archive" | "rootfs" | "registry"; layers: number }
  /** `bytes` of `totalBytes` of a layer's blob were read. `totalBytes` is undefined for a stream. */
  | { kind: "layer"; layer: number; layers: number; digest: string; bytes: number; totalBytes: number | undefined }
  /** A layer is there now; `shared` when another image had brought it before. */
  | { kind: "layer-done"; layer: number; layers: number; chainId: string; shared: boolean; contentBytes: number };

/** What `pull` tells: what `import` does, and what of a layer was downloaded before it is its turn to be unpacked. */
export type PullProgress =
  | ImportProgress
  | { kind: "download"; layer: number; layers: number; digest: string; bytes: number; totalBytes: number };

/** One device in the tree base → layers → containers. */
export interface TreeNode {
  kind: "base" | "layer" | "container";
  /** Chain ID of a layer, ID of a container, "base". */
  id: string;
  /** Images whose top layer it is, or the container's name. */
  names: string[];
  /** The graph's name (hash) of the device. */
  device: string;
  mappedBytes: number;
  /** What deleting only this device would free. */
  exclusiveBytes: number;
  /** Mapped, but held by other devices too. */
  sharedBytes: number;
  mounted: boolean;
  children: TreeNode[];
}

/** Options of `Store.import`; those of registries count for `docker://`. */
export interface ImportOptions extends RegistryOptions {
  progress?: ((event: ImportProgress) => void) | undefined;
  /** What to read when the source is "-". Default: standard input. */
  stdin?: NodeJS.ReadableStream | undefined;
  /** Aborted, it undoes what it did so far and rejects. */
  signal?: AbortSignal | undefined;
  /** Of an image index, take this platform: "linux/arm64", "linux/arm/v7". Default: this machine's. */
  platform?: string | undefined;
}

/** How registries are spoken with, in `Store.pull` and `Store.push`. */
export interface RegistryOptions {
  /** The registries' settings, as of the configuration's `[registries]`. */
  registries?: RegistriesSettings | undefined;
  /** Of the registry that the reference names, take any certificate, and plain HTTP where it does not speak TLS. */
  insecure?: boolean | undefined;
  /** Finds the credentials for a registry. Default: those of Docker's configuration, `~/.docker/config.json`. */
  credentials?: FindCredentials | undefined;
  /** How long to wait, and how often to ask again. */
  patience?: Patience | undefined;
}

/** Options of `Store.pull`. */
export interface PullOptions extends RegistryOptions {
  progress?: ((event: PullProgress) => void) | undefined;
  /** Aborted, it undoes what it did so far and rejects. */
  signal?: AbortSignal | undefined;
  /** Of an image index, take this platform: "linux/arm64", "linux/arm/v7". Default: this machine's. */
  platform?: string | undefined;
  /** The name the image is to have here. Default: the reference. */
  name?: string | undefined;
}

/** What `Store.pull` brought. */
export interface PulledImage {
  id: string;
  /** The name it has here. */
  name: string;
  /** Digest of what the reference named: a manifest, or an index. */
  digest: string;
}

/** What `push` tells: a layer is packed (bytes of its tar), its blob is sent, it is there. */
export type PushProgress =
  | { kind: "pack" | "upload"; layer: number; layers: number; digest: string; bytes: number; totalBytes: number }
  | { kind: "layer-done"; layer: number; layers: number; digest: string; how: "exists" | "mounted" | "sent" };

/** Options of `Store.push`. */
export interface PushOptions extends RegistryOptions {
  progress?: ((event: PushProgress) => void) | undefined;
  /** Aborted, it stops and rejects. Layers that were sent by then stay there, without a name. */
  signal?: AbortSignal | undefined;
  /** The OCI's manifest (the default) or Docker's schema 2. */
  format?: ManifestFormat | undefined;
}

/** What `Store.push` sent. */
export interface PushedImage {
  id: string;
  /** The name it has there. */
  name: string;
  /** Of its manifest. */
  digest: string;
}

/** Options of what writes or reads much: `export`, `save`, `commit`. */
export interface LongOptions {
  /** Aborted, it undoes what it did so far and rejects. */
  signal?: AbortSignal | undefined;
}

/** Options of `Store.create`. */
export interface CreateOptions {
  /** Letters, digits, "_", ".", "-"; the first a letter or digit. Default: the start of the new ID. */
  name?: string | undefined;
  /** Size of the device and its file system; not below the image's. */
  sizeBytes?: number | undefined;
}
