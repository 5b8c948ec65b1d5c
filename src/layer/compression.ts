/** How a blob or an archive is compressed. */
export type Compression = "none" | "gzip" | "zstd" | "xz" | "bzip2";

/** How many bytes `detectCompression` wants to see. */
export const COMPRESSION_MAGIC_BYTES = 6;

const magics: [Compression, readonly number[]][] = [
  ["gzip", [0x1f, 0x8b, 0x08]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
];

/** Tells a stream's compression by its first bytes, as registries' media types are not to be relied on. */
export function detectCompression(start: Uint8Array): Compression {
  for (const [compression, magic] of magics) {
    if (start.length >= magic.length && magic.every((byte, index) => start[index] === byte)) return compression;
  }
  return "none";
}
