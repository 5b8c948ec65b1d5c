/** Length of a tar header and of the units that file contents are padded to. */
export const TAR_BLOCK_BYTES = 512;

/** Links, devices, folders and pipes: they have a size at times, of what they link to or would hold; nothing follows them. */
export const EMPTY_TYPES = "123456";

/** The fields of a 512-byte tar header (POSIX ustar, and the forms GNU and old tars give it) that a reader of names needs. */
export interface TarHeader {
  /** As in the header: cut at 100 or 255 bytes; longer ones are in a pax or GNU header before it. One character a byte. */
  name: string;
  linkName: string;
  /** Bytes of content that follow, before padding. */
  sizeBytes: number;
  /** "0" file, "1" hard link, "2" symbolic link, "5" folder, "x" and "g" pax, "L" and "K" GNU long names, … */
  type: string;
}

/**
 * Reads a tar header.
 *
 * @returns undefined for a block of zeroes, which ends an archive; "damaged" when its checksum or a number is wrong
 */
export function parseTarHeader(block: Uint8Array): TarHeader | "damaged" | undefined {
  const bytes = Buffer.from(block.buffer, block.byteOffset, TAR_BLOCK_BYTES);
  if (bytes[0] === 0 && bytes.every((byte) => byte === 0)) return undefined;
  const stored = parseNumber(bytes, 148, 8);
  if (stored === undefined || !checksumMatches(bytes, stored)) return "damaged";
  const sizeBytes = parseNumber(bytes, 124, 12);
  if (sizeBytes === undefined) return "damaged";
  const isUstar = bytes.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isUstar ? text(bytes, 345, 155) : "";
  const name = text(bytes, 0, 100);
  const type = bytes[156] === 0 ? "0" : String.fromCharCode(bytes[156]);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    linkName: text(bytes, 157, 100),
    sizeBytes: EMPTY_TYPES.includes(type) ? 0 : sizeBytes,
    type,
  };
}

/** The sum of all bytes, its own field taken as spaces; some old tars added them as signed. */
function checksumMatches(bytes: Buffer, stored: number): boolean {
  let sum = 8 * 0x20;
  for (let index = 0; index < TAR_BLOCK_BYTES; index++) sum += bytes[index];
  for (let index = 148; index < 156; index++) sum -= bytes[index];
  if (sum === stored) return true;
  const negative = bytes.filter((byte, index) => byte > 127 && (index < 148 || index >= 156)).length;
  return sum - 256 * negative === stored;
}

/** Octal digits, or, with the top bit set, GNU's base 256. */
function parseNumber(bytes: Buffer, offset: number, length: number): number | undefined {
  if ((bytes[offset] & 0x80) !== 0) {
    let value = bytes[offset] & 0x7f;
    for (let index = 1; index < length; index++) value = value * 256 + bytes[offset + index];
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = text(bytes, offset, length).trim();
  if (digits === "") return 0;
  return /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : undefined;
}

function text(bytes: Buffer, offset: number, length: number): string {
  const end = bytes.subarray(offset, offset + length).indexOf(0);
  return bytes.toString("latin1", offset, end < 0 ? offset + length : offset + end);
}
