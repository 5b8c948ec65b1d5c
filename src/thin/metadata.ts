import { BlockCache } from "../persistent-data/block-cache.ts";
import { type BlockFile, openBlockFile } from "../persistent-data/block-file.ts";
import { Block } from "../persistent-data/block.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { mostMetadataBlocks } from "../persistent-data/metadata-limit.ts";
import { largestTime } from "./block-time.ts";
import { DeviceMapping, type MappingContext } from "./device-mapping.ts";
import type { DeviceDetails, DeviceRecord } from "./device-record.ts";
import { DeviceTable } from "./device-table.ts";
import { emptyPool, type FormatOptions } from "./empty-pool.ts";
import { ThinError } from "./errors.ts";
import { MappingChunks } from "./mapping-chunks.ts";
import { dropMetadataSnapshot, takeMetadataSnapshot } from "./metadata-snapshot.ts";
import { type MetadataTrees, openTrees } from "./metadata-trees.ts";
import { type Superblock, superblockLocation } from "./superblock.ts";
import { SuperblockStore } from "./superblock-store.ts";

export type { DeviceDetails, FormatOptions };

/** Thin device ids have 24 bits. */
const mostDevices = 2 ** 24;

/**
 * Everything durable of a thin pool, in the kernel's format. Synchronous. Units: sectors of 512 bytes, data blocks,
 * metadata blocks of 4 KiB. Changes are in memory until `commit`. After a MetadataError in a change, call `abort`.
 */
export class ThinMetadata {
  readonly #file: BlockFile;
  readonly #cache: BlockCache;
  readonly #open = new Map<number, DeviceMapping>();
  readonly #context: MappingContext;
  readonly #committed: SuperblockStore;
  /** The superblock to be committed, but for the roots. */
  #superblock!: Superblock;
  #superblockChanged = false;
  #trees!: MetadataTrees;
  #table!: DeviceTable;

  private constructor(file: BlockFile) {
    this.#file = file;
    this.#cache = new BlockCache(file);
    this.#committed = new SuperblockStore(file);
    const trees = () => this.#trees;
    const table = () => this.#table;
    const time = () => this.#superblock.time;
    this.#context = {
      chunks: new MappingChunks(),
      get trees() {
        return trees();
      },
      get table() {
        return table();
      },
      get time() {
        return time();
      },
    };
  }

  /** Writes the metadata of an empty pool over whatever `path` holds, and opens it. */
  static format(path: string, options: FormatOptions): ThinMetadata {
    return ThinMetadata.formatOn(openBlockFile(path), options);
  }

  /** As `format`, wherever the blocks are kept. */
  static formatOn(file: BlockFile, options: FormatOptions): ThinMetadata {
    const metadata = new ThinMetadata(file);
    metadata.#format(options);
    return metadata;
  }

  /** Opens a pool's metadata. @throws {MetadataError} naming what is damaged */
  static open(path: string, options: { readOnly?: boolean } = {}): ThinMetadata {
    const file = openBlockFile(path, options);
    try {
      return ThinMetadata.openOn(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** As `open`, wherever the blocks are kept. */
  static openOn(file: BlockFile): ThinMetadata {
    const metadata = new ThinMetadata(file);
    metadata.#load();
    return metadata;
  }

  /** Whether the first 4 KiB are zero, which asks the pool to format it. */
  static isEmpty(path: string): boolean {
    const file = openBlockFile(path, { readOnly: true });
    try {
      const first = new Block(superblockLocation);
      file.read(superblockLocation, first.bytes);
      return first.words.every((word) => word === 0);
    } finally {
      file.close();
    }
  }

  get readOnly(): boolean {
    return this.#file.readOnly;
  }
  /** Version of the format, 1 or 2. */
  get version(): number {
    return this.#superblock.version;
  }
  /** Sectors a data block. */
  get dataBlockSize(): number {
    return this.#superblock.dataBlockSizeSectors;
  }
  get transactionId(): number {
    return this.#superblock.transactionId;
  }
  /** Counts the snapshots taken. */
  get time(): number {
    return this.#superblock.time;
  }
  get needsCheck(): boolean {
    return this.#superblock.needsCheck;
  }
  /** Metadata block of the metadata snapshot, 0 when there is none. */
  get heldRoot(): number {
    return this.#superblock.heldRoot;
  }
  /** Whether there is anything to commit. */
  get changed(): boolean {
    const { data, metadata } = this.#trees;
    return (
      this.#superblockChanged ||
      this.#table.changes > 0 ||
      metadata.counts.dirtyPages.size > 0 ||
      data.counts.dirtyPages.size > 0 ||
      this.#cache.dirtyBlocks > 0
    );
  }
  get dataBlocks(): number {
    return this.#trees.data.counts.blocks;
  }
  get allocatedDataBlocks(): number {
    return this.#trees.data.counts.allocated;
  }
  /** Free data blocks, those included that only the next commit makes usable. */
  get freeDataBlocks(): number {
    return this.dataBlocks - this.allocatedDataBlocks;
  }
  get metadataBlocks(): number {
    return this.#trees.metadata.counts.blocks;
  }
  get allocatedMetadataBlocks(): number {
    return this.#trees.metadata.counts.allocated;
  }
  /** Free metadata blocks, those included that only the next commit makes usable. */
  get freeMetadataBlocks(): number {
    return this.metadataBlocks - this.allocatedMetadataBlocks;
  }
  /** Size of the metadata device now, in metadata blocks, as far as the format can use it: for `resizeMetadata`. */
  get metadataDeviceBlocks(): number {
    return Math.min(this.#file.sizeBlocks(), mostMetadataBlocks);
  }

  /** Hex digest that identifies the committed superblock; the needs_check flag and the checksum do not count. */
  superblockChecksum(): string {
    return this.#committed.digest;
  }

  /** Makes an empty device. @throws {ThinError} EEXIST */
  createThin(id: number): void {
    this.#checkNew(id);
    const root = this.#trees.mappings.create();
    this.#table.add(this.#newRecord(id, root, 0));
  }

  /** Makes a device that shares all of another's blocks, at the same cost whatever that has. @throws {ThinError} */
  createSnapshot(id: number, origin: number): void {
    this.#checkNew(id);
    const record = this.#known(origin);
    if (this.time >= largestTime) {
      throw new ThinError(
        "EOVERFLOW",
        `Cannot snapshot thin device ${origin}: the pool has taken 2^24 snapshots, all the format can tell apart`,
      );
    }
    this.#superblock.time++;
    this.#superblockChanged = true;
    this.#open.get(origin)?.forgetLeaf();
    this.#trees.transaction.increment(record.root);
    this.#table.add(this.#newRecord(id, record.root, record.mappedBlocks));
    record.snapshottedTime = this.time;
    this.#table.touch(record);
  }

  /**
   * Deletes a device.
   * @param onFreed told each data block whose last reference went; it may be allocated again after the next commit
   * @throws {ThinError} ENODATA; EBUSY while it is open
   */
  deleteThin(id: number, onFreed?: (dataBlock: number) => void): void {
    this.#checkWritable();
    const record = this.#known(id);
    if (this.#open.has(id))
      throw new ThinError("EBUSY", `Cannot delete thin device ${id}: it is active. Deactivate it first.`);
    this.#trees.onFreed = onFreed;
    try {
      this.#table.delete(record);
    } finally {
      this.#trees.onFreed = undefined;
    }
  }

  /** @throws {ThinError} EINVAL if the pool's transaction is not `current` */
  setTransactionId(current: number, next: number): void {
    this.#checkWritable();
    if (current !== this.transactionId) {
      throw new ThinError(
        "EINVAL",
        `Cannot set the transaction id to ${next}: it is ${this.transactionId} now, not ${current}`,
      );
    }
    this.#superblock.transactionId = next;
    this.#superblockChanged = true;
  }

  /** Commits, then holds on to the state committed. The next commit makes that durable. @throws {ThinError} EBUSY */
  reserveMetadataSnapshot(flushData: () => void): void {
    this.#checkWritable();
    if (this.heldRoot !== 0) {
      throw new ThinError("EBUSY", "Cannot reserve a metadata snapshot: there is one already. Release it first.");
    }
    this.commit(flushData);
    this.#superblock.heldRoot = takeMetadataSnapshot(this.#trees, this.#committed.block);
    this.#superblockChanged = true;
  }

  /** @throws {ThinError} EINVAL when there is none */
  releaseMetadataSnapshot(): void {
    this.#checkWritable();
    if (this.heldRoot === 0) throw new ThinError("EINVAL", "Cannot release the metadata snapshot: there is none");
    dropMetadataSnapshot(this.#trees, this.heldRoot);
    this.#superblock.heldRoot = 0;
    this.#superblockChanged = true;
  }

  /** For the metadata tools: the trees themselves, and the root of a device's. */
  get trees(): MetadataTrees {
    return this.#trees;
  }
  mappingRootOf(id: number): number {
    return this.#known(id).root;
  }

  has(id: number): boolean {
    return this.#table.get(id) !== undefined;
  }

  /** All devices by ascending id, uncommitted changes included. */
  details(): IterableIterator<DeviceDetails> {
    return this.#table.all();
  }

  detailsOf(id: number): DeviceDetails | undefined {
    return this.#table.get(id);
  }

  /** Opens a device; again gives the same object. It stays valid over commit and abort. @throws {ThinError} ENODATA */
  openDevice(id: number): DeviceMapping {
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    const mapping = new DeviceMapping(this.#context, this.#known(id));
    this.#open.set(id, mapping);
    return mapping;
  }

  closeDevice(id: number): void {
    this.#open.get(id)?.reset(undefined);
    this.#open.delete(id);
  }

  /** A free data block, its count now 1; -1 when none is usable: if `freeDataBlocks` is not 0, a commit helps. */
  allocateDataBlock(): number {
    return this.#trees.data.counts.allocate();
  }

  /** Takes this very block, as the journal tells. @throws {ThinError} EINVAL when it is in use */
  allocateDataBlockAt(dataBlock: number): void {
    const { counts } = this.#trees.data;
    if (counts.get(dataBlock) !== 0)
      throw new ThinError("EINVAL", `Cannot allocate data block ${dataBlock}: it is in use`);
    counts.increment(dataBlock);
  }

  /** Gives back a block from `allocateDataBlock` that was not mapped after all. */
  releaseDataBlock(dataBlock: number): void {
    this.#trees.data.counts.decrement(dataBlock);
  }

  dataReferenceCount(dataBlock: number): number {
    return this.#trees.data.counts.get(dataBlock);
  }

  /** Whether fewer metadata blocks are usable than one more change and its commit could need. */
  metadataLow(): boolean {
    const { data, metadata } = this.#trees;
    // The kernel's reserve, and what a commit can need: a bitmap for each page of counts, a node for each device changed.
    const reserve = Math.max(16, Math.min(1024, Math.floor(this.metadataBlocks / 10)));
    return metadata.counts.usable < reserve + data.counts.pages + this.#table.changes;
  }

  /** Grows the data space. @throws {ThinError} EINVAL when asked to shrink */
  resizeData(blocks: number): void {
    this.#extend("data", blocks);
  }

  /** Grows the metadata space. @throws {ThinError} EINVAL when asked to shrink, or beyond the device */
  resizeMetadata(blocks: number): void {
    if (blocks > this.metadataDeviceBlocks) {
      throw new ThinError(
        "EINVAL",
        `Cannot grow the metadata to ${blocks} blocks: the device has ${this.metadataDeviceBlocks} that can be used`,
      );
    }
    this.#extend("metadata", blocks);
  }

  /**
   * Makes every change durable: flushes the data, writes metadata blocks that nothing committed refers to, flushes, writes
   * the superblock, flushes. Cut off anywhere, the medium has the old state or the new one. When the system fails a write
   * (a full disk, say) nothing is lost: it can be called again.
   * @throws {MetadataFullError} when there is no room for what changed; then `abort` is all that is left
   */
  commit(flushData: () => void): void {
    flushData();
    if (!this.changed) return;
    this.#checkWritable();
    const { data, metadata } = this.#trees;
    this.#cache.reclaim();
    this.#table.write();
    data.write();
    metadata.write();
    this.#cache.writeDirty();
    this.#file.flush();
    this.#cache.settle();
    this.#committed.write({
      ...this.#superblock,
      dataSpaceMap: data.root,
      metadataSpaceMap: metadata.root,
      mappingRoot: this.#table.mappingRoot,
      detailsRoot: this.#table.detailsRoot,
    });
    this.#superblockChanged = false;
    data.counts.endTransaction();
    metadata.counts.endTransaction();
    this.#table.prune((id) => this.#open.has(id));
  }

  /** Forgets what was not committed. Open devices stay open; those that exist no more answer ENODATA. */
  abort(): void {
    this.#cache.clear();
    this.#load();
    for (const [id, mapping] of this.#open) {
      const record = this.#table.get(id);
      mapping.reset(record);
      if (record === undefined) this.#open.delete(id);
    }
  }

  /** Asks for a check before the pool is used again: at once, committing nothing else. */
  setNeedsCheck(): void {
    this.#writeNeedsCheck(true);
  }

  /** Says that the metadata was checked: at once, committing nothing else. */
  clearNeedsCheck(): void {
    this.#writeNeedsCheck(false);
  }

  /** Closes the file without a commit. */
  close(): void {
    this.#file.close();
  }

  #writeNeedsCheck(needsCheck: boolean): void {
    this.#checkWritable();
    this.#superblock.needsCheck = needsCheck;
    this.#committed.writeNeedsCheck(needsCheck);
  }

  #load(): void {
    const superblock = this.#committed.load();
    this.#superblock = superblock;
    this.#superblockChanged = false;
    this.#trees = openTrees(this.#cache, { metadata: superblock.metadataSpaceMap, data: superblock.dataSpaceMap });
    this.#table = new DeviceTable(this.#trees, superblock);
  }

  #format(options: FormatOptions): void {
    const { trees, superblock } = emptyPool(this.#cache, this.metadataDeviceBlocks, options);
    this.#trees = trees;
    this.#superblock = superblock;
    this.#table = new DeviceTable(trees, superblock);
    this.commit(() => undefined);
  }

  #extend(which: "data" | "metadata", blocks: number): void {
    this.#checkWritable();
    const now = this.#trees[which].counts.blocks;
    if (blocks < now)
      throw new ThinError(
        "EINVAL",
        `Cannot resize the pool's ${which} to ${blocks} blocks: it has ${now}, and pools do not shrink`,
      );
    if (blocks === now) return;
    this.#trees[which].extend(blocks);
    this.#superblockChanged = true;
  }

  #newRecord(id: number, root: number, mappedBlocks: number): DeviceRecord {
    const { time, transactionId } = this;
    return { id, root, mappedBlocks, transactionId, creationTime: time, snapshottedTime: time };
  }

  #known(id: number): DeviceRecord {
    const record = this.#table.get(id);
    if (record !== undefined) return record;
    throw new ThinError("ENODATA", `Cannot use thin device ${id}: the pool has no such device`);
  }

  #checkNew(id: number): void {
    this.#checkWritable();
    if (!Number.isInteger(id) || id < 0 || id >= mostDevices) {
      throw new ThinError("EINVAL", `Cannot create thin device ${id}: ids go from 0 to ${mostDevices - 1}`);
    }
    if (this.has(id)) throw new ThinError("EEXIST", `Cannot create thin device ${id}: the pool has one with this id`);
  }

  #checkWritable(): void {
    if (this.readOnly) throw new MetadataError("EROFS", "Cannot change the pool's metadata: it is open to read only");
  }
}
