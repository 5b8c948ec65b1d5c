/*
 * The stream of `mica send`: docs/send-stream.md. A preamble, then frames: a header, data and zeroes by ascending offset, an end. Numbers are
 * little-endian.
 */

/** Begins a stream. Like PNG's it is lost by what turns text into other text on its way. */
const magic = Buffer.from([0x89, 0x4d, 0x49, 0x43, 0x41, 0x0d, 0x0a, 0x1a]);

export const streamVersion = 1;

/** Magic, version, and four bytes that are zero. */
export const preambleBytes = 16;

export const FrameKind = { header: 1, data: 2, zeroes: 3, end: 4 } as const;

export const Encoding = { plain: 0, deflate: 1 } as const;

export const frameHeaderBytes = 32;

/** Most bytes of a device in one data frame. */
export const mostDataBytes = 1 << 20;

/** Longest payload of a header or an end frame. */
export const mostTextBytes = 1 << 20;

/** Offsets and lengths are multiples of it. */
export const sectorBytes = 512;

/** The preamble of this version. */
export function formatPreamble(): Buffer {
  const preamble = Buffer.alloc(preambleBytes);
  magic.copy(preamble);
  preamble.writeUInt32LE(streamVersion, magic.length);
  return preamble;
}

/** Whether bytes begin as a stream does, of whatever version. */
export function hasMagic(preamble: Buffer): boolean {
  return preamble.subarray(0, magic.length).equals(magic);
}

/** @returns the version of a stream that has the magic */
export function versionIn(preamble: Buffer): number {
  return preamble.readUInt32LE(magic.length);
}
