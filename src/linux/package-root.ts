import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The absolute path of a file of this package, wherever the calling code was bundled to.
 *
 * @param relative path below the folder that holds package.json, such as `dist/engine.js`
 */
export function packageFile(relative: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`Cannot find '${relative}': no package.json above ${import.meta.url}`);
    folder = parent;
  }
  return join(folder, relative);
}

/** The version in package.json. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string };
  return version;
}
