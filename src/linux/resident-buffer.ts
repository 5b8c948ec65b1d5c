import { alignedBuffer } from "./aligned-buffer.ts";
import { libc } from "./libc.ts";

const pageBytes = 4096;

/**
 * A buffer whose pages are in memory and stay there.
 *
 * For buffers that system calls fill: a call that has to bring a page in fails when its process is being killed, and
 * what it was to deliver can be lost with it.
 *
 * @param pageStart which byte of it begins a page, so that direct I/O can use what is from there on
 */
export function residentBuffer(bytes: number, pageStart: number): Buffer {
  const before = (pageBytes - (pageStart % pageBytes)) % pageBytes;
  const buffer = alignedBuffer(before + bytes, pageBytes).subarray(before);
  // Written to, not only allocated: fresh memory has no pages.
  buffer.fill(0);
  // Locked as far as the limits allow; it works without, while there is no swapping.
  libc("int mlock(const void *, ulong)")(buffer, bytes);
  return buffer;
}
