/**
 * The FUSE wire protocol, as far as Mica speaks it. Source: include/uapi/linux/fuse.h (protocol 7.45 and older).
 * Everything is in the machine's byte order; offsets are from the start of the message.
 */

/** Requests of the kernel. */
export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  INTERRUPT: 36,
  DESTROY: 38,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  LSEEK: 46,
} as const;

/** Flags of INIT; those of the second word are numbered from 0 there. */
export const InitFlag = {
  ASYNC_READ: 1 << 0,
  BIG_WRITES: 1 << 5,
  ASYNC_DIO: 1 << 15,
  NO_OPEN_SUPPORT: 1 << 17,
  PARALLEL_DIROPS: 1 << 18,
  MAX_PAGES: 1 << 22,
  INIT_EXT: 1 << 30,
} as const;

/** Flags of INIT's second word (bit 39 of the whole: HAS_RESEND). */
export const InitFlag2 = { HAS_RESEND: 1 << 7 } as const;

/** Flags of OPEN's answer. */
export const OpenFlag = {
  /** Past the page cache. */
  DIRECT_IO: 1 << 0,
  /** Several direct writes to one file may be under way: without it the kernel takes them one by one. */
  PARALLEL_DIRECT_WRITES: 1 << 6,
} as const;

/** Modes of FALLOCATE that loop devices send: discard and write-zeroes. */
export const FallocateMode = { PUNCH_HOLE: 1 | 2, ZERO_RANGE: 1 | 16 } as const;

/** What LSEEK asks for, with the kernel's own numbers (lseek(2)): it answers the other kinds itself. */
export const Whence = { SEEK_DATA: 3, SEEK_HOLE: 4 } as const;

/** Bit 63 of `unique`, in its upper word: the request was handed out before. */
export const UNIQUE_RESEND_HIGH = 0x80000000;

/** Codes of messages that the server starts. */
export const Notify = { RESEND: 7 } as const;

/** Bytes of the request header. */
export const IN_HEADER = 40;
/** Bytes of the reply header: u32 length, i32 negative error, u64 unique. */
export const OUT_HEADER = 16;

/** Places in a request: bytes. */
export const In = {
  unique: 8,
  nodeId: 16,
  body: IN_HEADER,
  /** READ, WRITE, FALLOCATE: u64 handle, u64 offset, then u32 size (READ, WRITE) or u64 length, u32 mode. */
  handle: 40,
  offset: 48,
  size: 56,
  fallocateMode: 64,
  /** LSEEK: u64 handle, u64 offset, u32 whence. */
  whence: 56,
  /** WRITE's data. */
  writeData: 80,
} as const;

/** Largest read and write, and the pages they have. */
export const MAX_WRITE = 1 << 20;
/** `MAX_WRITE` in pages of 4 KiB; the kernel's own limit unless a sysctl raised it. */
export const MAX_PAGES = 256;

/** Bytes of the answers. */
export const OutSize = { attr: 104, entry: 128, open: 16, write: 8, lseek: 8, statfs: 80, init: 64 } as const;

/** The root folder's node id, by definition. */
export const ROOT_NODE = 1;
/** The control file's node id. */
export const CONTROL_NODE = 2;
/** The node id of the file that is the pool itself. */
export const POOL_NODE = 3;
/** The first volume's: slot 0 is node 16. The upper word of a volume's node id is its generation. */
export const FIRST_VOLUME_NODE = 16;
