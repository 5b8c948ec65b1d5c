import { writeSync } from "node:fs";

/** Writes all of a buffer, at a position or where the descriptor stands: one call may write less. */
export function writeAll(fd: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position === undefined ? null : position + done);
  }
}
