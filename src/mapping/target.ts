/**
 * What serves a range of a block device: a target of the device mapper's, or a whole volume. Offsets and lengths are bytes, within the range.
 * Results: 0; a negative error number; or another number where the request must wait and be repeated whole. Nothing is thrown.
 */
export interface Target {
  read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number;
  write(buffer: Buffer, bufferOffset: number, offset: number, length: number): number;
  /** Afterwards the whole range reads as zeroes; space is given back where whole blocks go. */
  punchHole(offset: number, length: number): number;
  /** Afterwards the whole range reads as zeroes. */
  writeZeroes(offset: number, length: number): number;
  flush(): number;
  /**
   * Where data, or a hole, begins next: at `offset` (inside the range) or behind it, in bytes; the range's size where there is none. A negative
   * error number. `seekHole` may name a place too early, where the data go on: whoever looks for data there finds them.
   */
  seekData(offset: number): number;
  seekHole(offset: number): number;
  /** False where a discard does nothing, which whoever sends one is to know beforehand. True by default. */
  readonly takesDiscards?: boolean;
  /** What the range holds, in bytes. */
  readonly allocatedBytes: number;
}
