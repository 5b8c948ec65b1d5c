import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileXattrs } from "../file-xattrs.ts";
import type { RawPath } from "../raw-path.ts";
import { walkChanges } from "../walk-changes.ts";

/** Everything of a file that a layer keeps, in a form that two trees can be compared by. */
export type TreeDescription = Record<RawPath, string>;

/** Describes every entry below a folder: kind, mode, owner, size, time, link target or links, device, attributes, content. */
export function describeTree(root: string, options: { folderTimes?: boolean } = {}): TreeDescription {
  const description: TreeDescription = {};
  const firstOfInode = new Map<bigint, RawPath>();
  for (const { path, name, folder, stats } of walkChanges(root)) {
    if (stats === undefined) continue;
    const facts = [`mode ${stats.mode.toString(8)}`, `owner ${stats.uid}:${stats.gid}`];
    if (!stats.isDirectory() || options.folderTimes !== false) facts.push(`mtime ${stats.mtimeNs}`);
    if (stats.isSymbolicLink()) facts.push(`to ${folder.readLink(name)}`);
    if (stats.isBlockDevice() || stats.isCharacterDevice()) facts.push(`device ${stats.rdev}`);
    if (stats.isFile()) {
      const content = createHash("sha256")
        .update(readFileSync(folder.path(name)))
        .digest("hex");
      facts.push(`size ${stats.size}`, `content ${content}`);
    }
    if (!stats.isDirectory() && stats.nlink > 1n) {
      if (!firstOfInode.has(stats.ino)) firstOfInode.set(stats.ino, path);
      facts.push(`same as ${firstOfInode.get(stats.ino)}`);
    }
    for (const xattr of fileXattrs(folder.path(name))) facts.push(`${xattr.name}=${xattr.value.toString("hex")}`);
    description[path] = facts.join(", ");
  }
  return description;
}
