import type { BlockSource } from "../file-system/block-source.ts";
import { check } from "../metadata-tools/check.ts";
import type { DeviceDetails } from "../thin/device-record.ts";
import { DataFile } from "./data-file.ts";
import { exclusiveBlocks } from "./exclusive-blocks.ts";
import { FrozenMetadata, type LostKeys } from "./frozen-metadata.ts";
import { FrozenPoolError } from "./frozen-pool-error.ts";
import { FrozenVolume } from "./frozen-volume.ts";
import { VolumeMap } from "./volume-map.ts";

/** The files or block devices that a pool is kept on. */
export interface PoolFiles {
  readonly metadataPath: string;
  readonly dataPath: string;
}

/** A thin device of a stopped pool. */
export interface FrozenDevice extends DeviceDetails {
  /** Data blocks that would be free if the device were deleted. */
  readonly exclusiveBlocks: number;
}

/** How full a pool is, in blocks; those of metadata have 4 KiB. */
export interface FrozenSpace {
  readonly dataBlocks: number;
  readonly usedDataBlocks: number;
  readonly metadataBlocks: number;
  readonly usedMetadataBlocks: number;
}

/** Part of a device that cannot be read: its virtual blocks from `firstBlock` up to, not including, `endBlock`. */
export interface DeviceProblem {
  readonly id: number;
  readonly firstBlock: number;
  /** Infinity where nothing tells. */
  readonly endBlock: number;
  readonly fault: string;
}

/** What is wrong with a pool. */
export interface FrozenPoolProblems {
  /** As `check` finds them, in plain words. */
  readonly metadata: string[];
  /** What of which device is lost with it; a device of which nothing is left is named by its whole range. */
  readonly devices: DeviceProblem[];
}

/**
 * A thin pool that does not run, read as it was last committed: by anyone who may read its files, without the kernel's
 * device mapper, and without writing a byte. That it does not run, here or in the kernel, is the caller's to see to.
 *
 * @example
 * const pool = FrozenPool.open({ metadataPath: "metadata", dataPath: "data" });
 * for (const device of pool.devices()) console.log(device.id, device.mappedBlocks);
 * const volume = pool.volume(4, 1 << 30);
 * pool.close();
 */
export class FrozenPool {
  readonly files: PoolFiles;
  readonly #metadata: FrozenMetadata;
  readonly #data: DataFile;
  #devices: FrozenDevice[] | undefined;

  private constructor(files: PoolFiles, metadata: FrozenMetadata, data: DataFile) {
    this.files = files;
    this.#metadata = metadata;
    this.#data = data;
  }

  /**
   * Opens a pool for reading.
   *
   * @throws MetadataError when its superblock is damaged, or is none
   */
  static open({ metadataPath, dataPath }: PoolFiles): FrozenPool {
    const metadata = new FrozenMetadata(metadataPath);
    try {
      return new FrozenPool({ metadataPath, dataPath }, metadata, new DataFile(dataPath));
    } catch (error) {
      metadata.file.close();
      throw error;
    }
  }

  /** Bytes of a data block. */
  get blockBytes(): number {
    return this.#metadata.superblock.dataBlockSizeSectors * 512;
  }

  get transactionId(): number {
    return this.#metadata.superblock.transactionId;
  }

  /** Whether the pool asks for a check before it is used. */
  get needsCheck(): boolean {
    return this.#metadata.superblock.needsCheck;
  }

  get space(): FrozenSpace {
    const { dataSpaceMap, metadataSpaceMap } = this.#metadata.superblock;
    return {
      dataBlocks: dataSpaceMap.blocks,
      usedDataBlocks: dataSpaceMap.allocated,
      metadataBlocks: metadataSpaceMap.blocks,
      usedMetadataBlocks: metadataSpaceMap.allocated,
    };
  }

  /** The devices whose details can be read, by ascending id. Of others `problems` tells, and `volume` may open them. */
  devices(): FrozenDevice[] {
    if (this.#devices === undefined) {
      const exclusive = exclusiveBlocks(this.#metadata);
      this.#devices = [...this.#metadata.details.values()]
        .sort((a, b) => a.id - b.id)
        .map((details) => ({ ...details, exclusiveBlocks: exclusive.get(details.id) ?? 0 }));
    }
    return this.#devices;
  }

  /**
   * A device's blocks. It can be used until the pool is closed.
   *
   * @param sizeBytes how large the device is, which is not in the pool but in who made it
   * @throws FrozenPoolError ENODEV when there is none of that id, EIO when its mappings are lost as a whole
   */
  volume(id: number, sizeBytes: number): BlockSource {
    const map = new VolumeMap(this.#metadata, this.#rootOf(id));
    return new FrozenVolume(id, sizeBytes, { map, data: this.#data, blockBytes: this.blockBytes });
  }

  /** Checks everything, and says what is lost for which device. Reads all of the metadata. */
  problems(): FrozenPoolProblems {
    const metadata = check(this.#metadata.file);
    const devices: DeviceProblem[] = [];
    const add = (id: number, { lowest, end, fault }: LostKeys): void => {
      devices.push({ id, firstBlock: lowest, endBlock: end, fault });
    };
    for (const [id, root] of this.#metadata.roots)
      new VolumeMap(this.#metadata, root).lost.forEach((lost) => add(id, lost));
    for (const id of this.#metadata.details.keys()) {
      if (!this.#metadata.roots.has(id)) add(id, { lowest: 0, end: Infinity, fault: this.#rootFault(id) });
    }
    return { metadata, devices };
  }

  close(): void {
    this.#metadata.file.close();
    this.#data.close();
  }

  #rootOf(id: number): number {
    const root = this.#metadata.roots.get(id);
    if (root !== undefined) return root;
    const lost = this.#metadata.lostRoots.some(({ lowest, end }) => lowest <= id && id < end);
    throw new FrozenPoolError(lost ? "EIO" : "ENODEV", `Cannot read thin device ${id}: ${this.#rootFault(id)}`);
  }

  #rootFault(id: number): string {
    const lost = this.#metadata.lostRoots.find(({ lowest, end }) => lowest <= id && id < end);
    return lost === undefined
      ? "the pool has no such device"
      : `its mappings are lost with damaged metadata (${lost.fault})`;
  }
}
