import { libc } from "./libc.ts";

/**
 * A buffer whose pages are in memory and stay there.
 *
 * For buffers that system calls fill: a call that has to bring a page in fails when its process is being killed, and
 * what it was to deliver can be lost with it.
 */
export function residentBuffer(bytes: number): Buffer {
  // Written to, not only allocated: fresh memory has no pages.
  const buffer = Buffer.alloc(bytes, 1).fill(0);
  // Locked as far as the limits allow; it works without, while there is no swapping.
  libc("int mlock(const void *, ulong)")(buffer, bytes);
  return buffer;
}
