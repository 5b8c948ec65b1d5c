// For tests.

/** Bytes of which those of neighbouring sectors differ, and those of two seeds too. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = ((at * 5) % 251) + seed;
  return bytes;
}
