import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { readJsonFile, removeTemporaryFiles, syncFolder, writeJsonFile } from "../graph/files/json-file.ts";
import { errorCode } from "../linux/system-error.ts";
import { hexOf, type Digest } from "./digest.ts";
import {
  containerRecordSchema,
  layerBlobsSchema,
  layerRecordSchema,
  referencesSchema,
  type ContainerRecord,
  type LayerBlob,
  type LayerRecord,
  type References,
} from "./records.ts";

const MAX_LAYER_BLOBS = 16;
const RECORD = /^([0-9a-f]{64})\.json$/;
const BESIDE_LAYER = /^([0-9a-f]{64})\.(?:tar-split\.json\.gz|blobs\.json)$/;

/**
 * The store's files: `$root/image/{layers,images,pending,tmp}`, `$root/image/references.json` and `$root/containers`. Every
 * file is replaced whole, so a crash leaves the old or the new one.
 */
export class StoreFiles {
  /** Locks; see StoreLocks. */
  readonly lockFile: string;
  /** Marks of changes under way; see PendingDevices. */
  readonly pendingFolder: string;
  /** For files that belong to one process while it works. */
  readonly temporaryFolder: string;
  private readonly layersFolder: string;
  private readonly imagesFolder: string;
  private readonly containersFolder: string;
  private readonly namesFolder: string;
  private readonly referencesFile: string;

  /** @param root the graph's folder */
  constructor(root: string) {
    const image = join(root, "image");
    this.lockFile = join(image, "lock");
    this.pendingFolder = join(image, "pending");
    this.temporaryFolder = join(image, "tmp");
    this.layersFolder = join(image, "layers");
    this.imagesFolder = join(image, "images");
    this.containersFolder = join(root, "containers");
    this.namesFolder = join(this.containersFolder, "names");
    this.referencesFile = join(image, "references.json");
  }

  /** Makes the folders that are missing. */
  prepare(): void {
    if (existsSync(this.namesFolder)) return; // the last one made
    for (const folder of [
      this.pendingFolder,
      this.temporaryFolder,
      this.layersFolder,
      this.imagesFolder,
      this.containersFolder,
      this.namesFolder,
    ]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
  }

  layer(chainId: Digest): LayerRecord | undefined {
    return readJsonFile(this.layerFile(chainId), layerRecordSchema);
  }

  layers(): LayerRecord[] {
    return namesIn(this.layersFolder)
      .map((hex) => this.layer(`sha256:${hex}`))
      .filter((layer) => layer !== undefined);
  }

  /** The layer becomes one: from here on its device belongs to it. @param tarRecord temporary file with its tar's record */
  addLayer(record: LayerRecord, tarRecord: string): void {
    renameSync(tarRecord, this.layerTarRecord(record.chainId));
    writeJsonFile(this.layerFile(record.chainId), record);
  }

  /** Blobs of registries that have this layer in them, the last known one first. */
  layerBlobs(chainId: Digest): LayerBlob[] {
    return readJsonFile(this.layerBlobsFile(chainId), layerBlobsSchema) ?? [];
  }

  /** Notes that a registry has a layer. Only for who holds the records' lock; no more are kept than are of use. */
  addLayerBlob(chainId: Digest, blob: LayerBlob): void {
    if (!existsSync(this.layerFile(chainId))) return; // removed meanwhile
    const others = this.layerBlobs(chainId).filter(
      ({ digest, registry, path }) => digest !== blob.digest || registry !== blob.registry || path !== blob.path,
    );
    writeJsonFile(this.layerBlobsFile(chainId), [blob, ...others].slice(0, MAX_LAYER_BLOBS));
  }

  /** Only the records; its device is another's to remove. */
  deleteLayer(chainId: Digest): void {
    rmSync(this.layerBlobsFile(chainId), { force: true });
    rmSync(this.layerFile(chainId), { force: true });
    rmSync(this.layerTarRecord(chainId), { force: true });
    syncFolder(this.layersFolder);
  }

  /** What a crash left: files that were being written, and those beside the record of a layer or container. Only for who holds the records' lock. */
  deleteStrayFiles(): void {
    for (const folder of [dirname(this.referencesFile), this.layersFolder, this.containersFolder]) {
      removeTemporaryFiles(folder);
    }
    for (const name of readdirSync(this.layersFolder)) {
      const layer = BESIDE_LAYER.exec(name)?.[1];
      if (layer !== undefined && !existsSync(this.layerFile(`sha256:${layer}`))) rmSync(join(this.layersFolder, name));
    }
    for (const name of readdirSync(this.namesFolder)) {
      if (this.containerIdOfName(name) === undefined) rmSync(join(this.namesFolder, name));
    }
  }

  /** The record a layer's tar can be rebuilt from (see TarRecorder). */
  layerTarRecord(chainId: Digest): string {
    return join(this.layersFolder, `${hexOf(chainId)}.tar-split.json.gz`);
  }

  /** IDs of all images. */
  imageIds(): Digest[] {
    return namesIn(this.imagesFolder).map((hex) => `sha256:${hex}`);
  }

  /** An image's configuration, byte for byte. */
  imageConfig(id: Digest): Buffer | undefined {
    try {
      return readFileSync(this.imageFile(id));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  addImage(id: Digest, config: Buffer): void {
    const temporary = join(this.temporaryFolder, `${process.pid}-${hexOf(id)}`);
    writeFileSync(temporary, config, { mode: 0o600, flush: true });
    renameSync(temporary, this.imageFile(id));
    syncFolder(this.imagesFolder);
  }

  deleteImage(id: Digest): void {
    rmSync(this.imageFile(id), { force: true });
    syncFolder(this.imagesFolder);
  }

  references(): References {
    return readJsonFile(this.referencesFile, referencesSchema) ?? {};
  }

  writeReferences(references: References): void {
    writeJsonFile(this.referencesFile, references);
  }

  container(id: string): ContainerRecord | undefined {
    return readJsonFile(this.containerFile(id), containerRecordSchema);
  }

  containerIds(): string[] {
    return namesIn(this.containersFolder);
  }

  containers(): ContainerRecord[] {
    return this.containerIds()
      .map((id) => this.container(id))
      .filter((container) => container !== undefined);
  }

  /** The ID of the container of a name: a link that leads nowhere, whose target is the ID. */
  containerIdOfName(name: string): string | undefined {
    try {
      const id = readlinkSync(join(this.namesFolder, name));
      return existsSync(this.containerFile(id)) ? id : undefined;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Only for who holds the records' lock and found the name free. */
  writeContainer(record: ContainerRecord): void {
    const link = join(this.namesFolder, record.name);
    rmSync(link, { force: true }); // of a container whose making or removing a crash cut short
    symlinkSync(record.id, link);
    writeJsonFile(this.containerFile(record.id), record);
  }

  /** Only the record. */
  deleteContainer(record: ContainerRecord): void {
    rmSync(this.containerFile(record.id), { force: true });
    rmSync(join(this.namesFolder, record.name), { force: true });
  }

  private layerFile(chainId: Digest): string {
    return join(this.layersFolder, `${hexOf(chainId)}.json`);
  }

  private layerBlobsFile(chainId: Digest): string {
    return join(this.layersFolder, `${hexOf(chainId)}.blobs.json`);
  }

  private imageFile(id: Digest): string {
    return join(this.imagesFolder, `${hexOf(id)}.json`);
  }

  private containerFile(id: string): string {
    return join(this.containersFolder, `${id}.json`);
  }
}

function namesIn(folder: string): string[] {
  return readdirSync(folder)
    .map((name) => RECORD.exec(name)?.[1])
    .filter((hex) => hex !== undefined)
    .sort();
}
