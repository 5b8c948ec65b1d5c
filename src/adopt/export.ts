import { DockerGraphError } from "../docker-graph/docker-graph-error.ts";
import type { DockerGraph } from "../docker-graph/docker-graph.ts";
import type { StoredImage, StoredLayer } from "../docker-graph/stored-image.ts";
import type { ArchivedImage, ArchivedLayer } from "../image/archive-format.ts";
import { sha256 } from "../image/digest.ts";
import { parseImageConfig } from "../image/image-config.ts";
import type { ImportProgress } from "../image/types.ts";
import { committedConfig, committedName, emptyTarDiffId } from "./committed-image.ts";
import { imageLabel } from "./device-labels.ts";
import { layersUnder, planExport, type ExportItem } from "./export-plan.ts";
import { LayerWriter } from "./layer-writer.ts";
import type { RootfsSource } from "./rootfs.ts";
import { openTarget, type ExportTarget, type TargetPlace } from "./target/export-target.ts";
import { configFromV1 } from "./v1-config.ts";

/** An image that was exported, or a container as an image. */
export interface ExportedImage {
  kind: "image" | "container";
  /** The image's name, or the container's. */
  name: string;
  /** "sha256:…": the digest of the configuration, which is the image's ID wherever it is loaded. */
  id: string;
  /** What it was known by: another than `id` only for images of Docker 1.9 and older, whose IDs were no digests. */
  formerId: string;
  /** Names that it has in the target. */
  references: string[];
  /** Diff IDs, bottom first. */
  layers: string[];
  /** Of a container that was damaged: what of it is lost. Null where all is as it was. */
  damage: string | null;
}

/** What came of an export. */
export interface ExportResult {
  exported: ExportedImage[];
  /** Images and containers that could not be exported, and why. */
  failed: { kind: "image" | "container"; name: string; reason: string }[];
}

/** How far an export is: of all layers, so many bytes of one; or one is done. */
export type ExportProgress = Extract<ImportProgress, { kind: "layer" | "layer-done" }>;

/** Options of `exportImages`. */
export interface ExportOptions {
  signal?: AbortSignal | undefined;
  progress?: ((event: ExportProgress) => void) | undefined;
}

/**
 * Writes images and containers of a graph to a target. What cannot be written whole is left out and told; the rest is complete.
 *
 * @param names none: everything
 * @throws DockerGraphError not-found, ambiguous; EDAMAGED when nothing could be exported, and then there is no target
 */
export async function exportImages(
  graph: DockerGraph,
  source: RootfsSource,
  names: readonly string[],
  place: TargetPlace,
  options: ExportOptions,
): Promise<ExportResult> {
  const items = planExport(graph, names);
  if (items.length === 0) {
    throw new DockerGraphError(
      "not-found",
      `Cannot export from '${graph.dataRoot}': it has no images and no containers`,
    );
  }
  const target = openTarget(place);
  try {
    const archived: ArchivedImage[] = [];
    const result = await new Exporter(graph, source, target, items, options).run(archived);
    if (archived.length === 0) {
      target.abandon();
      return result;
    }
    target.finish(archived);
    return result;
  } catch (error) {
    target.abandon();
    throw error;
  }
}

interface Made {
  image: ArchivedImage;
  formerId: string;
  damage: string | null;
}

class Exporter {
  readonly #graph: DockerGraph;
  readonly #items: readonly ExportItem[];
  readonly #options: ExportOptions;
  readonly #layers: LayerWriter;
  readonly #layerCount: number;
  #position = 0;

  constructor(
    graph: DockerGraph,
    source: RootfsSource,
    target: ExportTarget,
    items: readonly ExportItem[],
    options: ExportOptions,
  ) {
    this.#graph = graph;
    this.#items = items;
    this.#options = options;
    this.#layers = new LayerWriter(source, target, options.signal);
    const keys = new Set(items.flatMap(({ image }) => image?.layers.map(({ key }) => key) ?? []));
    this.#layerCount = keys.size + items.filter(({ kind }) => kind === "container").length;
  }

  async run(archived: ArchivedImage[]): Promise<ExportResult> {
    const result: ExportResult = { exported: [], failed: [] };
    for (const item of this.#items) {
      const { kind } = item;
      const name = kind === "image" ? imageLabel(item.image) : item.container.name;
      try {
        this.#options.signal?.throwIfAborted();
        const made = kind === "image" ? await this.#image(item.image) : await this.#container(item);
        const { image, formerId, damage } = made;
        archived.push(image);
        const layers = image.layers.map(({ diffId }) => diffId);
        result.exported.push({ kind, name, id: image.id, formerId, references: [...image.references], layers, damage });
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        if (isFullDisk(error)) throw error;
        result.failed.push({ kind, name, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    return result;
  }

  async #image(image: StoredImage): Promise<Made> {
    if (image.broken !== undefined) throw new Error(image.broken);
    const layers = await this.#stack(image.layers);
    const configBytes = configOf(image, layers);
    return { image: archivedImage(configBytes, image.references, layers), formerId: image.id, damage: null };
  }

  async #container(item: ExportItem & { kind: "container" }): Promise<Made> {
    const { container, image } = item;
    const under = layersUnder(this.#graph, container, image);
    const below = await this.#stack(under);
    let damage: string | null = null;
    const own = await this.#shown(container.id, undefined, async (progress) => {
      const written = await this.#layers.container(container, under.at(-1), progress);
      damage = written.damage;
      return written.layer;
    });
    const base = image === undefined ? undefined : configOf(image, below);
    const configBytes = committedConfig(
      container,
      base === undefined ? undefined : parseImageConfig(base, "the image's configuration"),
      below.map(({ diffId }) => diffId),
      own.diffId,
    );
    const layers = own.diffId === emptyTarDiffId ? below : [...below, own];
    return { image: archivedImage(configBytes, [this.#nameOf(item)], layers), formerId: container.id, damage };
  }

  async #stack(layers: readonly StoredLayer[]): Promise<ArchivedLayer[]> {
    const written: ArchivedLayer[] = [];
    for (const [index, layer] of layers.entries()) {
      const write = (progress: (bytes: number) => void): Promise<ArchivedLayer> =>
        this.#layers.layer(layer, layers[index - 1], progress);
      // One that was written for another image is there at once.
      written.push(
        this.#layers.has(layer.key)
          ? await write(() => undefined)
          : await this.#shown(layer.diffId ?? layer.key, layer.contentBytes, write),
      );
    }
    return written;
  }

  async #shown(
    digest: string,
    contentBytes: number | undefined,
    write: (progress: (bytes: number) => void) => Promise<ArchivedLayer>,
  ): Promise<ArchivedLayer> {
    const { progress } = this.#options;
    const at = { layer: ++this.#position, layers: this.#layerCount };
    const layer = await write((bytes) => {
      // A tar is a little longer than what is in it.
      const totalBytes = contentBytes === undefined ? undefined : Math.max(contentBytes, bytes);
      progress?.({ kind: "layer", ...at, digest, bytes, totalBytes });
    });
    progress?.({ kind: "layer-done", ...at, chainId: digest, shared: false, contentBytes: layer.tarBytes });
    return layer;
  }

  /** Two names may become the same in small letters. */
  #nameOf({ container }: ExportItem & { kind: "container" }): string {
    const name = committedName(container);
    const same = this.#items.filter((item) => item.kind === "container" && committedName(item.container) === name);
    return same.length === 1 ? name : name.replace(/:latest$/, `-${container.id.slice(0, 12)}:latest`);
  }
}

function configOf(image: StoredImage, layers: readonly ArchivedLayer[]): Buffer {
  if (image.source.kind === "content-addressed") return image.source.configBytes;
  return configFromV1(
    image.source.chain,
    layers.map(({ diffId }) => diffId),
  );
}

function archivedImage(configBytes: Buffer, references: string[], layers: readonly ArchivedLayer[]): ArchivedImage {
  const config = parseImageConfig(configBytes, "the image's configuration");
  return { id: sha256(configBytes), configBytes, config, references, layers };
}

/** The next image would fail in the same way. */
function isFullDisk(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ("code" in at && (at.code === "ENOSPC" || at.code === "EDQUOT" || at.code === "EFBIG")) return true;
  }
  return false;
}
