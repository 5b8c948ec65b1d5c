import { chownSync, lstatSync, mkdirSync, rmSync, statSync, unlinkSync } from "node:fs";
import { libc, lastErrno, loadKoffi } from "../linux/libc.ts";
import { errno, errnoName, errorCode } from "../linux/system-error.ts";
import { LayerError } from "./layer-error.ts";
import { archiveStatus, extractFlags, type Libarchive, type Pointer } from "./libarchive.ts";
import { fsPath, isAscii, quotePath, type RawPath } from "../file-system/raw-path.ts";
import { cleanEntryPath } from "./entry-path.ts";
import { mapOwner, mapsOwners, rootOwner, sameOwners, type OwnerMaps } from "./owner-map.ts";
import { parseWhiteout, removeLower, removeLowerIn } from "./whiteout.ts";

const FORMAT_MASK = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;
const LINK = 0o120000;
const KNOWN_TYPES: ReadonlySet<number> = new Set([REGULAR, FOLDER, LINK, 0o020000, 0o060000, 0o010000]);
/** The largest user or group number; the next one means "leave it as it is" to chown(2). */
const LAST_OWNER = 0xfffffffe;
const READ_BYTES = 1 << 20;
const NANOSECONDS = 1_000_000_000n;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

const ALL = extractFlags.owner | extractFlags.permissions | extractFlags.time | extractFlags.acl;
const ALL_BUT_TIME = ALL & ~extractFlags.time;

/** What was unpacked. */
export interface ExtractResult {
  /** Sum of the sizes of its regular files. */
  contentBytes: number;
  entries: number;
  /** Things that could not be kept and do not matter enough to fail, such as attributes the file system cannot hold. */
  warnings: string[];
}

/**
 * Unpacks a layer's tar from a descriptor into the working folder, which must be this process's root (chroot): links in
 * the tree are followed as a process inside would follow them, and lead nowhere else.
 *
 * @param owners of a user namespace whose numbers the tar has; the files get those outside
 * @throws LayerError naming the entry; what was unpacked so far stays
 */
export function extractTar(lib: Libarchive, fd: number, owners: OwnerMaps = sameOwners): ExtractResult {
  return new TarExtractor(lib, fd, owners).run();
}

class TarExtractor {
  private readonly lib: Libarchive;
  private readonly archive: Pointer;
  private readonly disk: Pointer;
  private readonly entry: Pointer;
  private diskFlags = -1;
  private readonly ownPaths = new Set<RawPath>();
  private readonly folderTimes: { path: RawPath; mtimeNs: bigint }[] = [];
  private readonly bookkeeping = new Set<RawPath>();
  private readonly result: ExtractResult = { contentBytes: 0, entries: 0, warnings: [] };
  private readonly owners: OwnerMaps;
  private readonly mapsOwners: boolean;

  constructor(lib: Libarchive, fd: number, owners: OwnerMaps) {
    this.lib = lib;
    this.owners = owners;
    this.mapsOwners = mapsOwners(owners);
    this.archive = lib.read_new();
    lib.read_support_format_tar(this.archive);
    lib.read_support_format_empty(this.archive);
    this.disk = lib.write_disk_new();
    if (lib.read_open_fd(this.archive, fd, READ_BYTES) !== archiveStatus.ok) {
      throw new LayerError(`Cannot read the layer: ${this.reason(this.archive)}`);
    }
    this.entry = lib.entry_new2(this.archive);
  }

  run(): ExtractResult {
    let last: RawPath | undefined;
    for (;;) {
      const status = this.lib.read_next_header2(this.archive, this.entry);
      if (status === archiveStatus.eof) break;
      // A name that is not UTF-8 where pax says it should be is still a name.
      if (status !== archiveStatus.ok && !/can't be converted/i.test(this.reason(this.archive))) {
        const where = last === undefined ? "at its first entry" : `after entry ${quotePath(last)}`;
        throw new LayerError(`Cannot read the layer's tar ${where}: ${this.reason(this.archive)}`);
      }
      last = this.unpackEntry();
      this.result.entries++;
    }
    if (this.lib.write_close(this.disk) !== archiveStatus.ok) {
      throw new LayerError(`Cannot finish the layer: ${this.reason(this.disk)}`);
    }
    for (const path of this.bookkeeping) rmSync(fsPath(path), { recursive: true, force: true });
    this.setFolderTimes();
    return this.result;
  }

  private unpackEntry(): RawPath {
    const raw = this.rawString(this.lib.entry_pathname(this.entry)) ?? "";
    const path = cleanEntryPath(raw);
    if (path === undefined) throw new LayerError(`Cannot unpack ${quotePath(raw)}: it leads out of the layer`);
    if (raw === "") throw new LayerError("Cannot unpack an entry without a name");
    try {
      this.unpackOrDelete(raw, path);
    } catch (cause) {
      if (cause instanceof LayerError) throw cause;
      // Of node's fs, whose message repeats the path, and raw.
      const number = cause instanceof Error && "errno" in cause ? -Number(cause.errno) : 0;
      const why = meanings[number] ?? errorCode(cause) ?? String(cause);
      throw new LayerError(`Cannot unpack ${quotePath(path)}: ${why}`, { cause });
    }
    return path;
  }

  private unpackOrDelete(raw: RawPath, path: RawPath): void {
    const whiteout = parseWhiteout(path);
    if (whiteout === "invalid") throw new LayerError(`Cannot apply whiteout ${quotePath(raw)}: it names no entry`);
    if (whiteout?.kind === "bookkeeping") {
      this.bookkeeping.add(whiteout.top);
    } else if (whiteout !== undefined) {
      if (whiteout.kind === "delete") removeLower(whiteout.path, this.ownPaths);
      else removeLowerIn(whiteout.path, this.ownPaths);
      return;
    }
    if (path !== raw) this.lib.entry_copy_pathname(this.entry, Buffer.from(`${path}\0`, "latin1"));
    this.unpackFile(path);
    this.remember(path);
  }

  private unpackFile(path: RawPath): void {
    const { lib, entry } = this;
    const isHardLink = this.checkHardLink(path);
    const type = isHardLink ? 0 : lib.entry_filetype(entry) & FORMAT_MASK;
    if (!isHardLink && !KNOWN_TYPES.has(type)) throw new LayerError(`Cannot unpack ${quotePath(path)}: unknown type`);
    if (path === "." && type !== FOLDER) throw new LayerError("Cannot unpack the layer's root: it is not a folder");
    this.checkOwner(path);
    if (this.mapsOwners) this.mapOwners(path);
    if (type === FOLDER) {
      this.makeWayForFolder(path);
      if (lib.entry_mtime_is_set(entry) !== 0) {
        const seconds = BigInt(lib.entry_mtime(entry));
        this.folderTimes.push({ path, mtimeNs: seconds * NANOSECONDS + BigInt(lib.entry_mtime_nsec(entry)) });
      }
    }
    const sizeBytes = lib.entry_size(entry);
    if (type === REGULAR) this.result.contentBytes += Number(sizeBytes);
    const flags = type === FOLDER ? ALL_BUT_TIME : ALL;
    // ACLs name owners by the numbers inside.
    this.useFlags(this.mapsOwners ? flags & ~extractFlags.acl : flags);
    let status = lib.read_extract2(this.archive, entry, this.disk);
    if (status !== archiveStatus.ok && type !== FOLDER && this.removedFolderAt(path)) {
      // The folder that was in the way made the header fail: the data is still to be read, but libarchive set its size to 0.
      lib.entry_set_size(entry, sizeBytes);
      status = lib.read_extract2(this.archive, entry, this.disk);
    }
    if (status !== archiveStatus.ok) {
      throw new LayerError(`Cannot unpack ${quotePath(path)}: ${this.reason(this.archive)}`);
    }
    if (!isHardLink) this.setXattrs(path);
  }

  /** Whether the entry is a hard link; its target is made relative to the root. */
  private checkHardLink(path: RawPath): boolean {
    const raw = this.rawString(this.lib.entry_hardlink(this.entry));
    if (raw === undefined) return false;
    const target = cleanEntryPath(raw);
    if (target === undefined) {
      throw new LayerError(`Cannot link ${quotePath(path)} to ${quotePath(raw)}: it leads out of the layer`);
    }
    if (target !== raw) this.lib.entry_copy_hardlink(this.entry, Buffer.from(`${target}\0`, "latin1"));
    return true;
  }

  private checkOwner(path: RawPath): void {
    for (const owner of [this.lib.entry_uid(this.entry), this.lib.entry_gid(this.entry)]) {
      if (owner < 0 || owner > LAST_OWNER) {
        throw new LayerError(`Cannot unpack ${quotePath(path)}: owner ${owner} is out of range`);
      }
    }
  }

  /** Folders on the way that the tar leaves out belong to the namespace's root too. */
  private mapOwners(path: RawPath): void {
    const { lib, entry, owners } = this;
    try {
      lib.entry_set_uid(entry, mapOwner(owners.users, Number(lib.entry_uid(entry)), "to host"));
      lib.entry_set_gid(entry, mapOwner(owners.groups, Number(lib.entry_gid(entry)), "to host"));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new LayerError(`Cannot unpack ${quotePath(path)}: ${why}`, { cause });
    }
    for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
      const folder = path.slice(0, slash);
      if (this.ownPaths.has(folder) || statSync(fsPath(folder), { throwIfNoEntry: false }) !== undefined) continue;
      mkdirSync(fsPath(folder), { mode: 0o755 });
      const { user, group } = rootOwner(owners);
      chownSync(fsPath(folder), user, group);
    }
  }

  /** A folder takes the place of anything that is not one; libarchive would follow a link to another folder. */
  private makeWayForFolder(path: RawPath): void {
    const there = lstatSync(fsPath(path), { throwIfNoEntry: false });
    if (there !== undefined && !there.isDirectory()) unlinkSync(fsPath(path));
  }

  private removedFolderAt(path: RawPath): boolean {
    if (lstatSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() !== true) return false;
    rmSync(fsPath(path), { recursive: true });
    return true;
  }

  private setXattrs(path: RawPath): void {
    const { lib, entry } = this;
    const count = lib.entry_xattr_reset(entry);
    if (count === 0) return;
    const set = libc("int lsetxattr(const void *, const char *, const void *, size_t, int)");
    for (let index = 0; index < count; index++) {
      const name: [string | null] = [null];
      const value: [Pointer | null] = [null];
      const bytes: [number | bigint | null] = [null];
      lib.entry_xattr_next(entry, name, value, bytes);
      if (name[0] === null || (this.mapsOwners && name[0].startsWith("system.posix_acl_"))) continue;
      if (set(Buffer.from(`${path}\0`, "latin1"), name[0], value[0], bytes[0] ?? 0, 0) === 0) continue;
      const number = lastErrno();
      const warning = `Cannot set attribute ${name[0]} of ${quotePath(path)}: ${errnoName(number)}`;
      // As Docker: what the file system cannot hold is left out, and user attributes where the kernel has no room for them.
      const dispensable = number === errno.EOPNOTSUPP || (number === errno.EPERM && name[0].startsWith("user."));
      if (!dispensable) throw new LayerError(warning);
      if (this.result.warnings.length < 20) this.result.warnings.push(warning);
    }
  }

  /** Last of all, deepest first as they came: unpacking into a folder had changed its time. */
  private setFolderTimes(): void {
    for (const { path, mtimeNs } of this.folderTimes.reverse()) {
      if (lstatSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() !== true) continue;
      setModificationTime(path, mtimeNs);
    }
  }

  private remember(path: RawPath): void {
    for (let part = path; !this.ownPaths.has(part);) {
      this.ownPaths.add(part);
      const slash = part.lastIndexOf("/");
      if (slash < 0) break;
      part = part.slice(0, slash);
    }
  }

  private useFlags(flags: number): void {
    if (this.diskFlags === flags) return;
    this.lib.write_disk_set_options(this.disk, flags);
    this.diskFlags = flags;
  }

  private rawString(pointer: Pointer | null): RawPath | undefined {
    if (pointer === null) return undefined;
    const koffi = loadKoffi();
    const decoded = koffi.decode(pointer, "char", -1) as string;
    if (isAscii(decoded)) return decoded;
    const bytes = libc("size_t strlen(const void *)")(pointer);
    return Buffer.from(koffi.decode(pointer, "uint8", bytes) as Uint8Array).toString("latin1");
  }

  private reason(archive: Pointer): string {
    const text = this.lib.error_string(archive) ?? "unknown failure";
    const number = this.lib.errno(archive);
    // Numbers below zero are libarchive's own, without more to tell.
    const meaning = meanings[number];
    return meaning === undefined ? text : `${text} (${meaning})`;
  }
}

const meanings: Partial<Record<number, string>> = {
  [errno.ENOSPC]: "no space left on device",
  [errno.EDQUOT]: "disk quota exceeded",
  [errno.EIO]: "input/output error",
  [errno.EPERM]: "operation not permitted",
  [errno.ENAMETOOLONG]: "a name is too long",
  [errno.EFBIG]: "larger than the file system can hold",
  [errno.EROFS]: "read-only file system",
  [errno.ELOOP]: "too many links on the way",
};

/** Both times, as tars have mostly one. `setTimes` of linux/ takes no names that are not UTF-8. */
function setModificationTime(path: RawPath, timeNs: bigint): void {
  const nanoseconds = ((timeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  const times = Buffer.alloc(32);
  for (const offset of [0, 16]) {
    times.writeBigInt64LE((timeNs - nanoseconds) / NANOSECONDS, offset);
    times.writeBigInt64LE(nanoseconds, offset + 8);
  }
  const call = libc("int utimensat(int, const void *, const void *, int)");
  if (call(AT_FDCWD, Buffer.from(`${path}\0`, "latin1"), times, AT_SYMLINK_NOFOLLOW) !== 0) {
    throw new LayerError(`Cannot set the time of ${quotePath(path)}: ${errnoName(lastErrno())}`);
  }
}
