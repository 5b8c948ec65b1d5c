import { openSync, statSync } from "node:fs";

/** Opens a file that is no metadata, such as XML, to be read; a pipe too. @throws Error when there is none */
export function openInputFile(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new Error(`Cannot read ${path}: there is no such file`);
  if (stat.isDirectory()) throw new Error(`Cannot read ${path}: it is a folder`);
  return openSync(path, "r");
}
