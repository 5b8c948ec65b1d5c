/**
 * What holds a pool's data blocks, or an external origin. Offsets and lengths are bytes. Nothing throws: results are 0
 * or a negative errno, so that the request path needs no exceptions.
 */
export interface DataDevice {
  readonly sizeBytes: number;
  /** Looks at the size again, after the device was grown. */
  refreshSize(): void;
  /** Fills `buffer`; what lies past the end of the device reads as zeroes. */
  read(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): number;
  write(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): number;
  /** Whether the whole range is known to read as zeroes and to hold no space. */
  isHole(offset: number, length: number): boolean;
  /** Makes the range read as zeroes; costs nothing where it is a hole. */
  zero(offset: number, length: number): number;
  /** Gives the range back to whatever is below. What it reads as afterwards is undefined. */
  discard(offset: number, length: number): number;
  /** A hint that a flush will soon need this range: starts writing it, without waiting. */
  startWriteback(offset: number, length: number): void;
  flush(): number;
  close(): void;
}
