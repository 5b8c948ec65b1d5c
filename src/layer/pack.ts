import { type BigIntStats, closeSync, fstatSync, readSync } from "node:fs";
import { Readable } from "node:stream";
import { majorMinor } from "../linux/special-files.ts";
import { errorCode } from "../linux/system-error.ts";
import { fileXattrs } from "./file-xattrs.ts";
import { formatTarHeader, TAR_END, tarPadding, type TarHeaderFields } from "./format-tar-header.ts";
import { LayerError } from "./layer-error.ts";
import { OpenFolder } from "./open-folder.ts";
import { quotePath, type RawPath } from "./raw-path.ts";
import { walkChanges, type VisitedChange } from "./walk-changes.ts";

const CHUNK_BYTES = 1 << 18;

/**
 * A layer's tar: what differs between a root file system and the one below, deletions as AUFS whiteouts, hard links within
 * the layer kept. The same trees give the same bytes. Sockets are left out, as a tar has no such thing. The stream ends
 * with an error when a file cannot be read whole; a tar that ends well is complete.
 *
 * @param parentRoot without it the whole tree is the layer
 */
export function packDiff(root: string, parentRoot?: string): Readable {
  return streamOf(tarOf(refusingWhiteoutNames(walkChanges(root, parentRoot))));
}

/** A whole file tree as a tar, its top folder as "./" first; otherwise as `packDiff`. */
export function packTree(root: string): Readable {
  return streamOf(tarOf(withTop(root)));
}

function streamOf(chunks: Iterable<Buffer>): Readable {
  return Readable.from(chunks, { objectMode: false, highWaterMark: CHUNK_BYTES });
}

function* withTop(root: string): Generator<VisitedChange, void> {
  const folder = OpenFolder.top(root);
  try {
    yield { kind: "A", path: ".", name: ".", folder, stats: folder.stat(".") };
  } finally {
    folder.close();
  }
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

function* tarOf(entries: Iterable<VisitedChange>): Generator<Buffer, void> {
  const out = new Chunks();
  const links = new Map<bigint, RawPath>();
  for (const entry of entries) {
    if (entry.kind === "D") {
      out.add(formatTarHeader({ name: whiteoutName(entry), type: "0", mode: 0o600 }));
    } else if (entry.stats?.isSocket() === false) {
      yield* packEntry(out, entry, entry.stats, links);
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
  stats: BigIntStats,
  links: Map<bigint, RawPath>,
): Generator<Buffer, void> {
  const fields: TarHeaderFields = {
    name: entry.path,
    type: "0",
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
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
    yield* packFile(out, entry, fields, stats);
    return;
  }
  fields.pax = paxXattrs(entry);
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
  stats: BigIntStats,
): Generator<Buffer, void> {
  const fd = openFile(entry);
  if (fd === undefined) return;
  try {
    // Its size as it is now, and not as the walk saw it: a running container may have written since.
    const opened = fstatSync(fd, { bigint: true });
    if (!opened.isFile() || opened.ino !== stats.ino) throw changed(entry);
    let left = Number(opened.size);
    out.add(formatTarHeader({ ...fields, sizeBytes: left, mtimeNs: opened.mtimeNs, pax: paxXattrs(entry) }));
    const padding = tarPadding(left);
    while (left > 0) {
      const room = out.room();
      const bytes = readSync(fd, room, 0, Math.min(left, room.length), null);
      if (bytes === 0) throw changed(entry);
      left -= bytes;
      out.took(bytes);
      yield* out.full();
    }
    out.add(Buffer.alloc(padding));
  } finally {
    closeSync(fd);
  }
}

function openFile(entry: VisitedChange): number | undefined {
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

function paxXattrs(entry: VisitedChange): [string, Uint8Array][] {
  return fileXattrs(entry.folder.path(entry.name)).map(({ name, value }) => [`SCHILY.xattr.${name}`, value]);
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
