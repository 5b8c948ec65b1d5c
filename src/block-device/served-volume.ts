/** What `read`, `write` … of a served volume answer when the request must wait and be tried again. */
export const NOT_NOW = 1;

/**
 * What the FUSE server needs of a volume. Offsets and lengths are bytes, within the volume.
 * Results: 0; a negative error number; or `NOT_NOW`. Nothing is thrown.
 */
export interface ServedVolume {
  read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number;
  write(buffer: Buffer, bufferOffset: number, offset: number, length: number): number;
  /** Afterwards the whole range reads as zeroes; space is given back where whole blocks go. */
  punchHole(offset: number, length: number): number;
  /** Afterwards the whole range reads as zeroes. */
  writeZeroes(offset: number, length: number): number;
  flush(): number;
  /**
   * Where data, or a hole, begins next: at `offset` (inside the volume) or behind it, in bytes; the volume's size where there is none. A negative
   * error number. `seekHole` may name a place too early, where the data go on: whoever looks for data there finds them.
   */
  seekData(offset: number): number;
  seekHole(offset: number): number;
  /** What the volume holds, in bytes. */
  readonly allocatedBytes: number;
}
