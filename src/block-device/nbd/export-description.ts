import { MAX_REQUEST_BYTES, TransmissionFlag as Flag } from "./nbd-protocol.ts";

/** What clients are told of an export. */
export interface ExportDescription {
  /** Its name. The empty name, the protocol's default, means it too. */
  name: string;
  sizeBytes: number;
  access: "read-write" | "read-only";
  /** Whether zeroes may be asked for on condition that they cost less than to write them. */
  fastZeroes: boolean;
  /** The pool's block size: the first write to each costs more than later ones. */
  blockSizeBytes: number;
}

/** Whether clients may know an export by a name. */
export function isNameOf(description: ExportDescription, name: string): boolean {
  return name === "" || name === description.name;
}

/** The export's transmission flags. */
export function transmissionFlags({ access, fastZeroes }: ExportDescription, replies: "simple" | "structured"): number {
  // One descriptor serves all connections, so a flush on one covers what the others were answered.
  const all = Flag.HAS_FLAGS | Flag.SEND_FLUSH | Flag.SEND_FUA | Flag.SEND_CACHE | Flag.CAN_MULTI_CONN;
  const writing = Flag.SEND_TRIM | Flag.SEND_WRITE_ZEROES | (fastZeroes ? Flag.SEND_FAST_ZERO : 0);
  const dontFragment = replies === "structured" ? Flag.SEND_DF : 0;
  return all | dontFragment | (access === "read-only" ? Flag.READ_ONLY : writing);
}

/** The block sizes that clients are told, in bytes: any alignment is served, a pool's block is served best. */
export function blockSizes({ blockSizeBytes }: ExportDescription): {
  minimum: number;
  preferred: number;
  maximum: number;
} {
  const powerOfTwo = Number.isInteger(Math.log2(blockSizeBytes));
  return {
    minimum: 1,
    preferred: powerOfTwo ? Math.min(blockSizeBytes, MAX_REQUEST_BYTES) : 4096,
    maximum: MAX_REQUEST_BYTES,
  };
}
