import type { ExportDescription } from "./export-description.ts";
import type { Negotiated } from "./handshake.ts";
import { Command, CommandFlag as Flag, MAX_REQUEST_BYTES, NbdError } from "./nbd-protocol.ts";
import type { NbdRequest } from "./nbd-request.ts";

/** Why a request cannot be done, as an error of the protocol; 0 when it can. */
export function refusalOf(
  { command, flags, offset, length }: NbdRequest,
  exported: ExportDescription,
  negotiated: Negotiated,
): number {
  // FUA is allowed on all commands, and means nothing on those that write nothing.
  if ((flags & ~(Flag.FUA | flagsOf(command, negotiated))) !== 0) return NbdError.EINVAL;
  const { sizeBytes } = exported;
  // An offset above 2^53 was rounded, and is beyond every export all the same.
  const outside = offset > sizeBytes || length > sizeBytes - offset;
  switch (command) {
    case Command.FLUSH:
      return 0;
    case Command.READ:
      return length === 0 || length > MAX_REQUEST_BYTES || outside ? NbdError.EINVAL : 0;
    case Command.CACHE:
      return length === 0 || outside ? NbdError.EINVAL : 0;
    case Command.BLOCK_STATUS:
      return !negotiated.allocationContext || length === 0 || outside ? NbdError.EINVAL : 0;
    case Command.WRITE:
    case Command.WRITE_ZEROES:
    case Command.TRIM:
      if (exported.access === "read-only") return NbdError.EPERM;
      if (length === 0 || (command === Command.WRITE && length > MAX_REQUEST_BYTES)) return NbdError.EINVAL;
      if (outside) return command === Command.TRIM ? NbdError.EINVAL : NbdError.ENOSPC;
      return command === Command.WRITE_ZEROES ? fastZeroRefusal(flags, exported) : 0;
    default:
      return NbdError.EINVAL;
  }
}

function flagsOf(command: number, { replies }: Negotiated): number {
  if (command === Command.READ) return replies === "structured" ? Flag.DF : 0;
  if (command === Command.WRITE_ZEROES) return Flag.NO_HOLE | Flag.FAST_ZERO;
  return command === Command.BLOCK_STATUS ? Flag.REQ_ONE : 0;
}

/** Zeroes that are to keep their space have to be written. */
function fastZeroRefusal(flags: number, { fastZeroes }: ExportDescription): number {
  if ((flags & Flag.FAST_ZERO) === 0) return 0;
  return fastZeroes && (flags & Flag.NO_HOLE) === 0 ? 0 : NbdError.ENOTSUP;
}
