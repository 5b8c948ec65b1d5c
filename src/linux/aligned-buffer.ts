import { loadKoffi } from "./libc.ts";

/** A buffer that begins at a multiple of `alignment` bytes, as O_DIRECT asks for. */
export function alignedBuffer(bytes: number, alignment: number): Buffer {
  const memory = Buffer.allocUnsafeSlow(bytes + alignment);
  const beyond = Number(loadKoffi().address(memory) % BigInt(alignment));
  return memory.subarray(alignment - beyond, alignment - beyond + bytes);
}
