import type { RequestStatus } from "./request-status.ts";

/**
 * An active thin device. Offsets and lengths are bytes from its start; a request may have any alignment and length
 * that lies inside the device. No method throws; see `RequestStatus`.
 */
export class ThinVolume {
  readonly id: number = 0;
  sizeBytes = 0;

  read(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): RequestStatus {
    throw new Error(`not written yet ${buffer.length} ${bufferOffset} ${offset} ${length}`);
  }
  write(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): RequestStatus {
    throw new Error(`not written yet ${buffer.length} ${bufferOffset} ${offset} ${length}`);
  }
  /** REQ_OP_DISCARD: unmaps whole blocks, leaves the rest alone. */
  discard(offset: number, length: number): RequestStatus {
    throw new Error(`not written yet ${offset} ${length}`);
  }
  /** FALLOC_FL_PUNCH_HOLE: the range reads as zeroes afterwards; whole blocks are unmapped where that gives zeroes. */
  punchHole(offset: number, length: number): RequestStatus {
    throw new Error(`not written yet ${offset} ${length}`);
  }
  /** FALLOC_FL_ZERO_RANGE: the range reads as zeroes afterwards; mapped blocks stay mapped. */
  writeZeroes(offset: number, length: number): RequestStatus {
    throw new Error(`not written yet ${offset} ${length}`);
  }
  /** What was acknowledged before is durable afterwards. */
  flush(): RequestStatus {
    throw new Error("not written yet");
  }
}
