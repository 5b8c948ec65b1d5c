import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { GraphLog } from "../graph-options.ts";
import { humanSize } from "../options/size.ts";

/**
 * Makes a sparse file of that size, or grows the one there is. A larger one stays as it is, with a warning.
 *
 * @param wanted `sizeBytes` rounded down to whole sectors; `grow: false` leaves an existing file's size alone
 * @returns the size it has now, in bytes
 */
export function ensureLoopbackFile(path: string, wanted: { sizeBytes: number; grow: boolean }, log: GraphLog): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const wantedBytes = wanted.sizeBytes - (wanted.sizeBytes % 512);
  const fd = openSync(path, "a+", 0o600);
  try {
    const sizeBytes = fstatSync(fd).size;
    if (sizeBytes !== 0 && !wanted.grow) return sizeBytes;
    if (sizeBytes > wantedBytes) {
      log(
        "warn",
        `'${path}' has ${humanSize(sizeBytes)} and stays so: it cannot be shrunk to ${humanSize(wantedBytes)}`,
      );
      return sizeBytes;
    }
    if (sizeBytes < wantedBytes) {
      ftruncateSync(fd, wantedBytes);
      fsyncSync(fd);
      if (sizeBytes > 0) log("info", `'${path}' has grown from ${humanSize(sizeBytes)} to ${humanSize(wantedBytes)}`);
    }
    return wantedBytes;
  } finally {
    closeSync(fd);
  }
}
