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
}
