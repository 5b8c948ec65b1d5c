import { lstatSync, readdirSync, rmSync } from "node:fs";
import { fsPath, type RawPath } from "../file-system/raw-path.ts";

const PREFIX = ".wh.";
const OPAQUE = ".wh..wh..opq";
const META_PREFIX = ".wh..wh.";

/** What an entry's name asks for beside being unpacked. */
export type Whiteout =
  /** The entry `path` of the layers below is gone. */
  | { kind: "delete"; path: RawPath }
  /** Nothing of the layers below shows in the folder `path`. */
  | { kind: "opaque"; path: RawPath }
  /** AUFS's own bookkeeping at the top (hard link store and the like): not part of the layer once it is unpacked. */
  | { kind: "bookkeeping"; top: RawPath };

/**
 * Reads a clean entry name as an AUFS whiteout, the form layers use (OCI image-spec, layer.md, "Whiteouts").
 *
 * @returns undefined for an ordinary name, "invalid" for a mark that names no entry of its folder
 */
export function parseWhiteout(path: RawPath): Whiteout | "invalid" | undefined {
  if (!path.includes(PREFIX)) return undefined;
  const slash = path.lastIndexOf("/");
  const folder = slash < 0 ? "." : path.slice(0, slash);
  const base = path.slice(slash + 1);
  if (base === OPAQUE) return { kind: "opaque", path: folder };
  if (path.startsWith(META_PREFIX)) return { kind: "bookkeeping", top: path.split("/", 1)[0] };
  if (!base.startsWith(PREFIX)) return undefined;
  const name = base.slice(PREFIX.length);
  if (name === "" || name === "." || name === "..") return "invalid";
  return { kind: "delete", path: folder === "." ? name : `${folder}/${name}` };
}

/**
 * Removes what the layers below have at a path, and keeps what this layer itself has put there: a whiteout is about the
 * layers below, wherever in the tar it stands.
 *
 * @param ownPaths every path this layer has unpacked so far, with all their parents
 */
export function removeLower(path: RawPath, ownPaths: ReadonlySet<RawPath>): void {
  if (path !== "." && !ownPaths.has(path)) {
    rmSync(fsPath(path), { recursive: true, force: true });
  } else if (lstatSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() === true) {
    removeLowerIn(path, ownPaths);
  }
}

/** As `removeLower`, of everything in a folder and not of the folder itself. A link to a folder is not entered. */
export function removeLowerIn(folder: RawPath, ownPaths: ReadonlySet<RawPath>): void {
  if (lstatSync(fsPath(folder), { throwIfNoEntry: false })?.isDirectory() !== true) return;
  for (const name of readdirSync(fsPath(folder), "latin1")) {
    removeLower(folder === "." ? name : `${folder}/${name}`, ownPaths);
  }
}
