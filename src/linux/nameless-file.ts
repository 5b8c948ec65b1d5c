import { randomBytes } from "node:crypto";
import { open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/**
 * Makes a file without a name, to write and read: it is gone when it is closed, however this process ends.
 *
 * @param folder where it has a name, `<process id>-…`, for a moment
 */
export async function namelessFile(folder: string): Promise<FileHandle> {
  const path = join(folder, `${process.pid}-${randomBytes(8).toString("hex")}`);
  const file = await open(path, "wx+", 0o600);
  await rm(path);
  return file;
}
