import { createHash } from "node:crypto";
import type { TreeFolder } from "../file-tree.ts";
import { MountedFolder } from "../mounted-folder.ts";
import type { RawPath } from "../raw-path.ts";

/** Everything of a file that a layer keeps, in a form that two trees can be compared by. */
export type TreeDescription = Record<RawPath, string>;

/** What to leave out of a description. */
export interface DescribeOptions {
  folderTimes?: boolean;
}

/**
 * Describes every entry below a folder: kind, mode, owner, size, time, link target or links, device, attributes, content.
 *
 * @param root the folder, or the path of one that is mounted
 */
export function describeTree(root: TreeFolder | string, options: DescribeOptions = {}): TreeDescription {
  if (typeof root !== "string") return describeFolder(root, options);
  const top = MountedFolder.top(root);
  try {
    return describeFolder(top, options);
  } finally {
    top.close();
  }
}

function describeFolder(root: TreeFolder, options: DescribeOptions): TreeDescription {
  const description: TreeDescription = {};
  const firstOfInode = new Map<bigint, RawPath>();
  const describeIn = (folder: TreeFolder, prefix: RawPath): void => {
    for (const name of folder.names()) {
      const path = prefix + name;
      const facts = describeEntry(folder, name, options);
      const stats = folder.stat(name)!;
      if (!stats.isDirectory() && stats.nlink > 1n) {
        if (!firstOfInode.has(stats.ino)) firstOfInode.set(stats.ino, path);
        facts.push(`same as ${firstOfInode.get(stats.ino)}`);
      }
      description[path] = facts.join(", ");
      if (!stats.isDirectory()) continue;
      const inner = folder.folder(name);
      describeIn(inner, `${path}/`);
      inner.close();
    }
  };
  describeIn(root, "");
  return description;
}

function describeEntry(folder: TreeFolder, name: RawPath, options: DescribeOptions): string[] {
  const stats = folder.stat(name)!;
  const facts = [`mode ${stats.mode.toString(8)}`, `owner ${stats.uid}:${stats.gid}`];
  if (!stats.isDirectory() || options.folderTimes !== false) facts.push(`mtime ${stats.mtimeNs}`);
  if (stats.isSymbolicLink()) facts.push(`to ${folder.readLink(name)}`);
  if (stats.isBlockDevice() || stats.isCharacterDevice()) facts.push(`device ${stats.rdev}`);
  if (stats.isFile()) facts.push(`size ${stats.size}`, `content ${contentDigest(folder, name)}`);
  for (const xattr of folder.xattrs(name)) facts.push(`${xattr.name}=${xattr.value.toString("hex")}`);
  return facts;
}

function contentDigest(folder: TreeFolder, name: RawPath): string {
  const hash = createHash("sha256");
  const file = folder.openFile(name);
  const buffer = Buffer.alloc(1 << 20);
  for (let position = 0; ;) {
    const bytes = file.read(buffer, 0, buffer.length, position);
    if (bytes === 0) break;
    hash.update(buffer.subarray(0, bytes));
    position += bytes;
  }
  file.close();
  return hash.digest("hex");
}
