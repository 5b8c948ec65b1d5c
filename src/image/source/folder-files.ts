import { createReadStream, readdirSync, realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { quotePath } from "../../file-system/raw-path.ts";
import type { SourceFile, SourceFiles } from "./source-files.ts";

const CHUNK_BYTES = 1 << 20;

/** A folder as an image source. Links that lead out of it are not followed: it may come from anywhere. */
export function folderFiles(folder: string): SourceFiles {
  const top = realpathSync(folder);
  return {
    label: quotePath(folder),
    file(name): SourceFile | undefined {
      let path: string;
      try {
        path = realpathSync(join(top, name));
      } catch {
        return undefined;
      }
      if (!path.startsWith(top + sep)) return undefined;
      const stats = statSync(path);
      if (!stats.isFile()) return undefined;
      return { sizeBytes: stats.size, open: () => createReadStream(path, { highWaterMark: CHUNK_BYTES }) };
    },
    topNames: () => readdirSync(top),
  };
}
