import { closeSync, ftruncateSync, openSync } from "node:fs";

/** Makes a file of so many bytes, all of it a hole. @returns its path */
export function createSparseFile(path: string, bytes: number): string {
  const fd = openSync(path, "wx");
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return path;
}
