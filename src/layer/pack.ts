import { Readable } from "node:stream";
import type { EntryStats, TreeFile, TreeFolder } from "../file-system/file-tree.ts";
import { quotePath, type RawPath } from "../file-system/raw-path.ts";
import { majorMinor } from "../linux/special-files.ts";
import { errorCode } from "../linux/system-error.ts";
import { formatTarHeader, TAR_END, tarPadding, type TarHeaderFields } from "./format-tar-header.ts";
import { LayerError } from "./layer-error.ts";
import { mapOwner, mapsOwners, sameOwners, type OwnerMaps, type OwnerRange } from "./owner-map.ts";
import { walkChanges, type VisitedChange } from "./walk-changes.ts";

const CHUNK_BYTES = 1 << 18;

/**
 * A layer's tar: what differs between a root file system and the one below, deletions as AUFS whiteouts, hard links within
 * the layer kept. The same trees give the same bytes. Sockets are left out, as a tar has no such thing. The stream ends
 * with an error when a file cannot be read whole; a tar that ends well is complete. The tops must stay open until then.
 *
 * @param parentRoot without it the whole tree is the layer
 */
export function packDiff(root: TreeFolder, parentRoot?: TreeFolder): Readable {
  return streamOf(diffChunks(root, parentRoot));
}

/**
 * As `packDiff`, piece by piece.
 *
 * @param owners of a user namespace: the tar has the numbers inside. An owner outside is an error
 */
export function diffChunks(
  root: TreeFolder,
  parentRoot?: TreeFolder,
  owners: OwnerMaps = sameOwners,
): Iterable<Buffer> {
  return tarOf(refusingWhiteoutNames(walkChanges(root, parentRoot)), owners);
}

/** A whole file tree as a tar, its top folder as "./" first; otherwise as `packDiff`. */
export function packTree(root: TreeFolder): Readable {
  return streamOf(tarOf(withTop(root), sameOwners));
}

function streamOf(chunks: Iterable<Buffer>): Readable {
  return Readable.from(chunks, { objectMode: false, highWaterMark: CHUNK_BYTES });
}

function* withTop(root: TreeFolder): Generator<VisitedChange, void> {
  yield { kind: "A", path: ".", name: ".", folder: root, stats: root.stat(".") };
  yield* walkChanges(root);
}

/** In a layer, a file of such a name would delete another when the layer is unpacked. */
function* refusingWhiteoutNames(entries: Iterable<VisitedChange>): Generator<VisitedChange, void> {
  for (const entry of entries) {
    if (entry.kind !== "D" && entry.name.startsWith(".wh.")) {
      throw new LayerError(`Cannot pack ${quotePath(entry.path)}: in a layer such a name means a deletion; rename it`);
    }
    yield entry;
  }
}

function* tarOf(entries: Iterable<VisitedChange>, owners: OwnerMaps): Generator<Buffer, void> {
  const out = new Chunks();
  const links = new Map<bigint, RawPath>();
  for (const entry of entries) {
    if (entry.kind === "D") {
      out.add(formatTarHeader({ name: whiteoutName(entry), type: "0", mode: 0o600 }));
    } else if (entry.stats?.isSocket() === false) {
      yield* packEntry(out, entry, entry.stats, { links, owners });
    }
    yield* out.full();
  }
  out.add(TAR_END);
  yield* out.rest();
}

function whiteoutName({ path, name }: VisitedChange): RawPath {
  return `${path.slice(0, path.length - name.length)}.wh.${name}`;
}

function* packEntry(
  out: Chunks,
  entry: VisitedChange,
  stats: EntryStats,
  { links, owners }: { links: Map<bigint, RawPath>; owners: OwnerMaps },
): Generator<Buffer, void> {
  const fields: TarHeaderFields = {
    name: entry.path,
    type: "0",
    mode: Number(stats.mode & 0o7777n),
    uid: ownerInside(entry, owners.users, stats.uid),
    gid: ownerInside(entry, owners.groups, stats.gid),
    mtimeNs: stats.mtimeNs,
  };
  if (!stats.isDirectory() && stats.nlink > 1n) {
    const first = links.get(stats.ino);
    if (first !== undefined) {
      out.add(formatTarHeader({ ...fields, type: "1", linkName: first }));
      return;
    }
    links.set(stats.ino, entry.path);
  }
  if (stats.isFile()) {
    yield* packFile(out, entry, fields, { stats, owners });
    return;
  }
  fields.pax = paxXattrs(entry, owners);
  if (stats.isDirectory()) {
    fields.type = "5";
    fields.name = `${entry.path}/`;
  } else if (stats.isSymbolicLink()) {
    fields.type = "2";
    fields.linkName = entry.folder.readLink(entry.name);
  } else if (stats.isFIFO()) {
    fields.type = "6";
  } else {
    fields.type = stats.isBlockDevice() ? "4" : "3";
    fields.device = majorMinor(stats.rdev);
  }
  out.add(formatTarHeader(fields));
}

function* packFile(
  out: Chunks,
  entry: VisitedChange,
  fields: TarHeaderFields,
  { stats, owners }: { stats: EntryStats; owners: OwnerMaps },
): Generator<Buffer, void> {
  const file = openFile(entry);
  if (file === undefined) return;
  try {
    // Its size as it is now, and not as the walk saw it: a running container may have written since.
    const opened = file.stat();
    if (!opened.isFile() || opened.ino !== stats.ino) throw changed(entry);
    const sizeBytes = Number(opened.size);
    out.add(formatTarHeader({ ...fields, sizeBytes, mtimeNs: opened.mtimeNs, pax: paxXattrs(entry, owners) }));
    for (let position = 0; position < sizeBytes;) {
      const room = out.room();
      const bytes = file.read(room, 0, Math.min(sizeBytes - position, room.length), position);
      if (bytes === 0) throw changed(entry);
      position += bytes;
      out.took(bytes);
      yield* out.full();
    }
    out.add(Buffer.alloc(tarPadding(sizeBytes)));
  } finally {
    file.close();
  }
}

function openFile(entry: VisitedChange): TreeFile | undefined {
  try {
    return entry.folder.openFile(entry.name);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined; // deleted since the folder was read
    throw error;
  }
}

function changed(entry: VisitedChange): LayerError {
  return new LayerError(`Cannot pack ${quotePath(entry.path)}: it changed while it was read; try again`);
}

function ownerInside(entry: VisitedChange, ranges: readonly OwnerRange[], owner: bigint): number {
  try {
    return mapOwner(ranges, Number(owner), "to container");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LayerError(`Cannot pack ${quotePath(entry.path)}: ${why}`, { cause });
  }
}

function paxXattrs(entry: VisitedChange, owners: OwnerMaps): [string, Uint8Array][] {
  return (
    entry.folder
      .xattrs(entry.name)
      // They name owners by the numbers outside; Docker has none of them in its layers.
      .filter(({ name }) => !mapsOwners(owners) || !name.startsWith("system.posix_acl_"))
      .map(({ name, value }) => [
        `SCHILY.xattr.${name}`,
        name === "security.capability" ? withoutNamespace(value) : value,
      ])
  );
}

/** Length of struct vfs_cap_data, and its revision in the highest byte of the first word (linux/capability.h). */
const capability = { bytesOfRevision2: 20, revisionOffset: 3 };

/** Capabilities as they are where no user namespace is: the root user that revision 3 adds to them means nothing elsewhere. */
function withoutNamespace(value: Buffer): Buffer {
  if (value[capability.revisionOffset] !== 3) return value;
  const plain = Buffer.from(value.subarray(0, capability.bytesOfRevision2));
  plain[capability.revisionOffset] = 2;
  return plain;
}

/** Gathers small pieces into chunks worth sending. */
class Chunks {
  private chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  private used = 0;
  private ready: Buffer[] = [];

  add(bytes: Buffer): void {
    for (let offset = 0; offset < bytes.length;) {
      const copied = bytes.copy(this.room(), 0, offset);
      this.took(copied);
      offset += copied;
    }
  }

  /** Free space of the chunk under way; never empty. Say with `took` how much was filled. */
  room(): Buffer {
    return this.chunk.subarray(this.used);
  }

  took(bytes: number): void {
    this.used += bytes;
    if (this.used < CHUNK_BYTES) return;
    this.ready.push(this.chunk);
    this.chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    this.used = 0;
  }

  /** Chunks that are full; they are handed over. */
  full(): Buffer[] {
    const ready = this.ready;
    if (ready.length > 0) this.ready = [];
    return ready;
  }

  /** What is left at the end. */
  rest(): Buffer[] {
    return [...this.full(), this.chunk.subarray(0, this.used)];
  }
}
