import type { DeviceMapping } from "./device-mapping.ts";

/** A thin device as the details tree records it. */
export interface DeviceDetails {
  readonly id: number;
  readonly mappedBlocks: number;
  readonly transactionId: number;
  readonly creationTime: number;
  readonly snapshottedTime: number;
}

const unwritten = (..._: unknown[]): never => {
  throw new Error("not written yet");
};

/** Everything durable of a thin pool. Synchronous. Units: sectors of 512 bytes, data blocks, metadata blocks of 4 KiB. */
export class ThinMetadata {
  /** Writes the metadata of an empty pool over whatever `path` holds and opens it. */
  static format(path: string, options: { dataBlockSize: number; dataBlocks: number }): ThinMetadata {
    return unwritten(path, options);
  }
  static open(path: string, options: { readOnly?: boolean } = {}): ThinMetadata {
    return unwritten(path, options);
  }
  /** Whether the first 4 KiB are zero, which asks the pool to format it. */
  static isEmpty(path: string): boolean {
    return unwritten(path);
  }

  readonly readOnly: boolean = false;
  /** Sectors a data block. */
  get dataBlockSize(): number {
    return unwritten();
  }
  get version(): number {
    return unwritten();
  }
  get transactionId(): number {
    return unwritten();
  }
  get time(): number {
    return unwritten();
  }
  get needsCheck(): boolean {
    return unwritten();
  }
  /** Metadata block of the metadata snapshot, 0 when there is none. */
  get heldRoot(): number {
    return unwritten();
  }
  /** Whether there is anything to commit. */
  get changed(): boolean {
    return unwritten();
  }
  get dataBlocks(): number {
    return unwritten();
  }
  get allocatedDataBlocks(): number {
    return unwritten();
  }
  /** Free data blocks, those included that only the next commit makes usable. */
  get freeDataBlocks(): number {
    return unwritten();
  }
  get metadataBlocks(): number {
    return unwritten();
  }
  get allocatedMetadataBlocks(): number {
    return unwritten();
  }
  get freeMetadataBlocks(): number {
    return unwritten();
  }
  /** Size of the metadata device now, in metadata blocks, clamped to what the format can use: the argument for resizeMetadata. */
  get metadataDeviceBlocks(): number {
    return unwritten();
  }
  /** Hex digest that identifies the committed superblock. The needs_check flag and the checksum field do not count. */
  superblockChecksum(): string {
    return unwritten();
  }

  createThin(id: number): void {
    unwritten(id);
  }
  createSnapshot(id: number, origin: number): void {
    unwritten(id, origin);
  }
  /** EBUSY while open. @param onFreed told each data block whose last reference went. */
  deleteThin(id: number, onFreed?: (dataBlock: number) => void): void {
    unwritten(id, onFreed);
  }
  setTransactionId(current: number, next: number): void {
    unwritten(current, next);
  }
  /** Commits first (hence `flushData`), then takes the snapshot, which the next commit makes durable. EBUSY when there is one. */
  reserveMetadataSnapshot(flushData: () => void): void {
    unwritten(flushData);
  }
  /** EINVAL when there is none. */
  releaseMetadataSnapshot(): void {
    unwritten();
  }
  has(id: number): boolean {
    return unwritten(id);
  }
  /** All devices by ascending id, uncommitted changes included. */
  details(): IterableIterator<DeviceDetails> {
    return unwritten();
  }
  detailsOf(id: number): DeviceDetails | undefined {
    return unwritten(id);
  }
  /** ENODATA when there is no such device. Opening twice gives the same object; stays valid over commit and abort. */
  openDevice(id: number): DeviceMapping {
    return unwritten(id);
  }
  closeDevice(id: number): void {
    unwritten(id);
  }

  /** A free data block, its reference count now 1; -1 when none is usable (try again after a commit if freeDataBlocks > 0). */
  allocateDataBlock(): number {
    return unwritten();
  }
  /** Takes this very block, as the journal tells. ThinError EINVAL when it is in use. */
  allocateDataBlockAt(dataBlock: number): void {
    unwritten(dataBlock);
  }
  /** Gives back a block from allocateDataBlock that was not mapped after all. */
  releaseDataBlock(dataBlock: number): void {
    unwritten(dataBlock);
  }
  dataReferenceCount(dataBlock: number): number {
    return unwritten(dataBlock);
  }
  /** Whether fewer metadata blocks are free than one more operation and its commit could need. */
  metadataLow(): boolean {
    return unwritten();
  }
  /** Grows (ThinError EINVAL when asked to shrink). */
  resizeData(blocks: number): void {
    unwritten(blocks);
  }
  resizeMetadata(blocks: number): void {
    unwritten(blocks);
  }
  /** Flushes data, writes metadata, flushes, writes the superblock, flushes. Does only `flushData` when nothing changed. */
  commit(flushData: () => void): void {
    unwritten(flushData);
  }
  /** Forgets what was not committed. Open devices stay open, save those that exist no more (their lookups throw ENODATA). */
  abort(): void {
    unwritten();
  }
  /** Sets the flag in the committed superblock, at once, and commits nothing else. */
  setNeedsCheck(): void {
    unwritten();
  }
  clearNeedsCheck(): void {
    unwritten();
  }
  /** Closes the file without a commit. */
  close(): void {
    unwritten();
  }
}
