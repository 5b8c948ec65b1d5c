import type { StoredContainer } from "../docker-graph/containers.ts";
import type { StoredLayer } from "../docker-graph/stored-image.ts";
import type { ArchivedLayer } from "../image/archive-format.ts";
import { packDiff } from "../layer/pack.ts";
import { rebuildTar } from "../layer/rebuild-tar.ts";
import { errorCode } from "../linux/system-error.ts";
import { withRootfs, type RootfsSource, type WhenLost } from "./rootfs.ts";
import { LayerDigestError } from "./target/hashed-blob.ts";
import type { ExportTarget } from "./target/export-target.ts";

/** Told while a layer is written. */
export type LayerProgress = (bytes: number) => void;

/** Writes layers of a graph to a target, each once. */
export class LayerWriter {
  readonly #source: RootfsSource;
  readonly #target: ExportTarget;
  readonly #signal: AbortSignal | undefined;
  /** What became of the layers so far: a failed one fails every image that has it, without another try. */
  readonly #done = new Map<string, ArchivedLayer | Error>();

  constructor(source: RootfsSource, target: ExportTarget, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#target = target;
    this.#signal = signal;
  }

  /** Whether a layer was written, or tried, before. */
  has(key: string): boolean {
    return this.#done.has(key);
  }

  /**
   * Writes an image's layer: put together from its tar-split record, and compared with its diff ID. Layers of Docker 1.9 and older
   * have no diff ID; one of those without a usable record is packed anew, as Docker 1.10 did.
   */
  async layer(layer: StoredLayer, below: StoredLayer | undefined, progress: LayerProgress): Promise<ArchivedLayer> {
    const done = this.#done.get(layer.key);
    if (done instanceof Error) throw done;
    if (done !== undefined) return done;
    try {
      const written = await this.#write(layer, below, progress);
      this.#done.set(layer.key, written);
      return written;
    } catch (cause) {
      this.#signal?.throwIfAborted();
      const why = cause instanceof Error ? cause.message : String(cause);
      const error = new Error(`layer ${layer.diffId ?? layer.key} cannot be written: ${why}`, { cause });
      this.#done.set(layer.key, error);
      throw error;
    }
  }

  async #write(layer: StoredLayer, below: StoredLayer | undefined, progress: LayerProgress): Promise<ArchivedLayer> {
    const { tarRecord, diffId } = layer;
    if (tarRecord !== undefined) {
      try {
        return await withRootfs(this.#source, [layer.device], (root) =>
          this.#target.addLayer(this.#watched(rebuildTar(tarRecord, root), progress), diffId),
        );
      } catch (error) {
        this.#signal?.throwIfAborted();
        if (diffId !== undefined) throw error;
      }
    }
    try {
      return await withRootfs(this.#source, [layer.device, below?.device], (root, belowRoot) =>
        this.#target.addLayer(this.#watched(packDiff(root, belowRoot), progress), diffId),
      );
    } catch (error) {
      if (!(error instanceof LayerDigestError) || diffId === undefined) throw error;
      throw new Error("its tar-split.json.gz is missing, without which its tar does not come out as it was", {
        cause: error,
      });
    }
  }

  /**
   * Writes a container's own layer: what it changed over the layer that Docker put under it. Where some of that is lost with damaged metadata,
   * there are zeroes in its place: what a container holds is nowhere else.
   *
   * @returns the layer, and what was lost of it
   */
  async container(
    { mount }: StoredContainer,
    top: StoredLayer | undefined,
    progress: LayerProgress,
  ): Promise<{ layer: ArchivedLayer; damage: string | null }> {
    if (mount === undefined) throw new Error("it is not told which device is its own");
    const write = (whenLost: WhenLost): Promise<ArchivedLayer> =>
      withRootfs(
        this.#source,
        [mount.device, mount.initDevice ?? top?.device],
        (root, below) => this.#target.addLayer(this.#watched(packDiff(root, below), progress), undefined),
        whenLost,
      );
    try {
      return { layer: await write("fail"), damage: null };
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (errorCode(error) !== "EIO") throw error;
      const layer = await write("zeroes").catch(() => {
        this.#signal?.throwIfAborted();
        throw error; // which tells what is lost, as the file system's contradictions do not
      });
      const why = error instanceof Error ? error.message : String(error);
      return { layer, damage: `some of it is lost, and zeroes are in its place: ${why}` };
    }
  }

  async *#watched(tar: AsyncIterable<Buffer>, progress: LayerProgress): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of tar) {
      this.#signal?.throwIfAborted();
      bytes += chunk.length;
      progress(bytes);
      yield chunk;
    }
  }
}
