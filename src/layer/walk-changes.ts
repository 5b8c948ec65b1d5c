import type { EntryStats, TreeFile, TreeFolder } from "../file-system/file-tree.ts";
import type { RawPath } from "../file-system/raw-path.ts";
import { errorCode } from "../linux/system-error.ts";
import type { ChangeKind } from "./change.ts";

/** A difference, while the walk stands at it. */
export interface VisitedChange {
  kind: ChangeKind;
  /** Relative to the root, such as "etc/hosts". */
  path: RawPath;
  /** Its last part. */
  name: RawPath;
  /** The folder that holds it, open until the walk goes on. For a deletion, the folder it was deleted from. */
  folder: TreeFolder;
  /** Its status; of a deletion, undefined. */
  stats: EntryStats | undefined;
}

/**
 * Walks a root file system beside the one it was made from and yields what differs, a folder before what it holds, names in
 * byte order. Without `parentRoot` everything is an addition. As `docker diff`: a folder counts as changed ("C") when its
 * own attributes differ or something in it does; of a deleted folder only itself is named; the root is not named.
 *
 * A file whose inode was not touched since the snapshot is known by its change time; one that was is compared in mode, owner,
 * device, size, modification time and attributes, as Docker does, and, where all these agree, by its content.
 *
 * The two tops are the caller's to close, when the walk is over.
 */
export function* walkChanges(root: TreeFolder, parentRoot?: TreeFolder): Generator<VisitedChange, void> {
  yield* walkFolder(root, parentRoot, "", () => undefined);
}

/**
 * @param announce yields the folder's own change if it was not yielded before: something in it differs
 */
function* walkFolder(
  child: TreeFolder,
  parent: TreeFolder | undefined,
  prefix: RawPath,
  announce: () => VisitedChange[] | undefined,
): Generator<VisitedChange, void> {
  const names = child.names();
  const parentNames = parent?.names() ?? [];
  let parentIndex = 0;
  for (const name of names) {
    while (parentIndex < parentNames.length && parentNames[parentIndex] < name) {
      yield* deletion(parentNames[parentIndex++]);
    }
    const inParent = parentNames[parentIndex] === name;
    if (inParent) parentIndex++;
    yield* walkEntry(name, inParent);
  }
  while (parentIndex < parentNames.length) yield* deletion(parentNames[parentIndex++]);

  function* deletion(name: RawPath): Generator<VisitedChange, void> {
    yield* announce() ?? [];
    yield { kind: "D", path: prefix + name, name, folder: child, stats: undefined };
  }

  function* walkEntry(name: RawPath, inParent: boolean): Generator<VisitedChange, void> {
    const stats = child.stat(name);
    if (stats === undefined) return; // gone since the folder was read
    const before = inParent ? parent?.stat(name) : undefined;
    const kind = before === undefined ? "A" : "C";
    const change: VisitedChange = { kind, path: prefix + name, name, folder: child, stats };
    let announced = false;
    const announceThis = (): VisitedChange[] | undefined => {
      if (announced) return undefined;
      announced = true;
      return [...(announce() ?? []), change];
    };
    if (before === undefined || differs(child, parent!, name, stats, before)) yield* announceThis() ?? [];
    if (!stats.isDirectory()) return;
    const folder = openUnlessGone(child, name);
    if (folder === undefined) return;
    try {
      const parentFolder = before?.isDirectory() === true ? parent!.folder(name) : undefined;
      try {
        yield* walkFolder(folder, parentFolder, `${prefix}${name}/`, announceThis);
      } finally {
        parentFolder?.close();
      }
    } finally {
      folder.close();
    }
  }
}

function openUnlessGone(folder: TreeFolder, name: RawPath): TreeFolder | undefined {
  try {
    return folder.folder(name);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}

function differs(child: TreeFolder, parent: TreeFolder, name: RawPath, now: EntryStats, before: EntryStats): boolean {
  if (now.ino === before.ino && now.ctimeNs === before.ctimeNs) return false;
  if (now.mode !== before.mode || now.uid !== before.uid || now.gid !== before.gid) return true;
  if (now.rdev !== before.rdev) return true;
  if (!now.isDirectory() && (now.mtimeNs !== before.mtimeNs || now.size !== before.size)) return true;
  if (xattrsDiffer(child, parent, name)) return true;
  if (now.isSymbolicLink()) return child.readLink(name) !== parent.readLink(name);
  return now.isFile() && contentsDiffer(child, parent, name);
}

function xattrsDiffer(child: TreeFolder, parent: TreeFolder, name: RawPath): boolean {
  const now = child.xattrs(name);
  const before = parent.xattrs(name);
  if (now.length !== before.length) return true;
  return now.some((xattr, index) => xattr.name !== before[index].name || !xattr.value.equals(before[index].value));
}

const compareBuffers = [Buffer.alloc(1 << 17), Buffer.alloc(1 << 17)] as const;

function contentsDiffer(child: TreeFolder, parent: TreeFolder, name: RawPath): boolean {
  const file = child.openFile(name);
  try {
    const parentFile = parent.openFile(name);
    try {
      for (let position = 0; ;) {
        const bytes = readFully(file, compareBuffers[0], position);
        const parentBytes = readFully(parentFile, compareBuffers[1], position);
        if (bytes !== parentBytes) return true;
        if (compareBuffers[0].compare(compareBuffers[1], 0, bytes, 0, bytes) !== 0) return true;
        if (bytes < compareBuffers[0].length) return false;
        position += bytes;
      }
    } finally {
      parentFile.close();
    }
  } finally {
    file.close();
  }
}

function readFully(file: TreeFile, buffer: Buffer, position: number): number {
  let done = 0;
  while (done < buffer.length) {
    const bytes = file.read(buffer, done, buffer.length - done, position + done);
    if (bytes === 0) break;
    done += bytes;
  }
  return done;
}
