/** Where the blocks of a file system are read from: a device, a file, a thin device of a stopped pool. */
export interface BlockSource {
  readonly sizeBytes: number;
  /**
   * Reads exactly `length` bytes from `position` to `bufferOffset` in the buffer, all within the source.
   *
   * @throws when any of them cannot be read; nothing is made up
   */
  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void;
}
