/**
 * The Network Block Device protocol, as far as Mica speaks it: fixed newstyle handshake, structured replies, the base:allocation context.
 * Source: doc/proto.md of the NBD project. Everything is big-endian.
 */

/** The server's first words. */
export const NBD_MAGIC = 0x4e42444d41474943n;
/** The second, and the beginning of every option. */
export const OPTION_MAGIC = 0x49484156454f5054n;
/** The beginning of every reply to an option. */
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const CHUNK_MAGIC = 0x668e33ef;

/** The server's handshake flags and the client's, which have the same numbers. */
export const HandshakeFlag = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

/** What a client may ask for in the handshake. */
export const Option = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
} as const;

/** Kinds of replies to options; errors have bit 31. */
export const OptionReply = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: 0x80000001,
  ERR_INVALID: 0x80000003,
  ERR_UNKNOWN: 0x80000006,
  ERR_TOO_BIG: 0x80000009,
} as const;

/** Kinds of information on an export. */
export const Info = { EXPORT: 0, NAME: 1, BLOCK_SIZE: 3 } as const;

/** What an export can do, as its clients are told. */
export const TransmissionFlag = {
  HAS_FLAGS: 1 << 0,
  READ_ONLY: 1 << 1,
  SEND_FLUSH: 1 << 2,
  SEND_FUA: 1 << 3,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  /** Only with structured replies. */
  SEND_DF: 1 << 7,
  CAN_MULTI_CONN: 1 << 8,
  SEND_CACHE: 1 << 10,
  SEND_FAST_ZERO: 1 << 11,
} as const;

/** Requests. */
export const Command = {
  READ: 0,
  WRITE: 1,
  DISCONNECT: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;

/** Flags of requests. */
export const CommandFlag = { FUA: 1, NO_HOLE: 2, DF: 4, REQ_ONE: 8, FAST_ZERO: 16 } as const;

/** Kinds of chunks of a structured reply; errors have bit 15. */
export const Chunk = { NONE: 0, OFFSET_DATA: 1, OFFSET_HOLE: 2, BLOCK_STATUS: 5, ERROR: 0x8001 } as const;
/** The flag of a reply's last chunk. */
export const CHUNK_DONE = 1;

/** States of extents in base:allocation; none of them: data. */
export const Allocation = { HOLE: 1, ZERO: 2 } as const;
export const ALLOCATION_CONTEXT = "base:allocation";
/** The number that `ALLOCATION_CONTEXT` has in replies. */
export const ALLOCATION_CONTEXT_ID = 1;

/** Errors, by the protocol's own numbers (which are Linux's). */
export const NbdError = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;

/** Bytes of the fixed parts. */
export const Size = {
  request: 28,
  simpleReply: 16,
  chunk: 20,
  /** A chunk of data, up to the data. */
  dataChunk: 28,
  holeChunk: 32,
  extent: 8,
  option: 16,
  /** What EXPORT_NAME's answer ends with, unless both sides do without. */
  exportNameZeroes: 124,
} as const;

/** Most bytes a READ, WRITE or CACHE may have. */
export const MAX_REQUEST_BYTES = 32 << 20;
/** Most bytes of an export's name, or of a query of contexts: what the protocol calls a string. */
export const MAX_STRING_BYTES = 4096;
