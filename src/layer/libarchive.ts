import { loadKoffi } from "../linux/libc.ts";

/** A C pointer. */
export type Pointer = bigint;

/** What libarchive's functions answer (archive.h). */
export const archiveStatus = { eof: 1, ok: 0, retry: -10, warn: -20, failed: -25, fatal: -30 } as const;

/** Flags of archive_write_disk_set_options (archive.h). */
export const extractFlags = { owner: 0x1, permissions: 0x2, time: 0x4, acl: 0x20 } as const;

/** The few functions of libarchive 3 that a layer needs, and `lsetxattr` for values that stay in C. */
export interface Libarchive {
  read_new(): Pointer;
  read_support_format_tar(archive: Pointer): number;
  read_support_format_empty(archive: Pointer): number;
  read_support_format_raw(archive: Pointer): number;
  read_support_filter_zstd(archive: Pointer): number;
  read_support_filter_xz(archive: Pointer): number;
  read_support_filter_bzip2(archive: Pointer): number;
  read_open_fd(archive: Pointer, fd: number, blockBytes: number): number;
  read_next_header2(archive: Pointer, entry: Pointer): number;
  read_extract2(archive: Pointer, entry: Pointer, disk: Pointer): number;
  read_data(archive: Pointer, buffer: Uint8Array, bytes: number): number;
  write_disk_new(): Pointer;
  write_disk_set_options(disk: Pointer, flags: number): number;
  write_close(disk: Pointer): number;
  error_string(archive: Pointer): string | null;
  errno(archive: Pointer): number;
  filter_count(archive: Pointer): number;
  entry_new2(archive: Pointer): Pointer;
  entry_pathname(entry: Pointer): Pointer | null;
  entry_copy_pathname(entry: Pointer, path: Uint8Array): void;
  entry_hardlink(entry: Pointer): Pointer | null;
  entry_copy_hardlink(entry: Pointer, path: Uint8Array): void;
  entry_filetype(entry: Pointer): number;
  entry_size(entry: Pointer): number | bigint;
  entry_set_size(entry: Pointer, bytes: number | bigint): void;
  entry_uid(entry: Pointer): number | bigint;
  entry_gid(entry: Pointer): number | bigint;
  entry_set_uid(entry: Pointer, uid: number): void;
  entry_set_gid(entry: Pointer, gid: number): void;
  entry_mtime(entry: Pointer): number | bigint;
  entry_mtime_nsec(entry: Pointer): number;
  entry_mtime_is_set(entry: Pointer): number;
  entry_xattr_reset(entry: Pointer): number;
  entry_xattr_next(
    entry: Pointer,
    name: [string | null],
    value: [Pointer | null],
    bytes: [number | bigint | null],
  ): number;
}

const declarations: Record<keyof Libarchive, string> = {
  read_new: "void *archive_read_new(void)",
  read_support_format_tar: "int archive_read_support_format_tar(void *)",
  read_support_format_empty: "int archive_read_support_format_empty(void *)",
  read_support_format_raw: "int archive_read_support_format_raw(void *)",
  read_support_filter_zstd: "int archive_read_support_filter_zstd(void *)",
  read_support_filter_xz: "int archive_read_support_filter_xz(void *)",
  read_support_filter_bzip2: "int archive_read_support_filter_bzip2(void *)",
  read_open_fd: "int archive_read_open_fd(void *, int, size_t)",
  read_next_header2: "int archive_read_next_header2(void *, void *)",
  read_extract2: "int archive_read_extract2(void *, void *, void *)",
  read_data: "int64 archive_read_data(void *, void *, size_t)",
  write_disk_new: "void *archive_write_disk_new(void)",
  write_disk_set_options: "int archive_write_disk_set_options(void *, int)",
  write_close: "int archive_write_close(void *)",
  error_string: "str archive_error_string(void *)",
  errno: "int archive_errno(void *)",
  filter_count: "int archive_filter_count(void *)",
  entry_new2: "void *archive_entry_new2(void *)",
  entry_pathname: "void *archive_entry_pathname(void *)",
  entry_copy_pathname: "void archive_entry_copy_pathname(void *, const void *)",
  entry_hardlink: "void *archive_entry_hardlink(void *)",
  entry_copy_hardlink: "void archive_entry_copy_hardlink(void *, const void *)",
  entry_filetype: "uint archive_entry_filetype(void *)",
  entry_size: "int64 archive_entry_size(void *)",
  entry_set_size: "void archive_entry_set_size(void *, int64)",
  entry_uid: "int64 archive_entry_uid(void *)",
  entry_gid: "int64 archive_entry_gid(void *)",
  entry_set_uid: "void archive_entry_set_uid(void *, int64)",
  entry_set_gid: "void archive_entry_set_gid(void *, int64)",
  entry_mtime: "int64 archive_entry_mtime(void *)",
  entry_mtime_nsec: "long archive_entry_mtime_nsec(void *)",
  entry_mtime_is_set: "int archive_entry_mtime_is_set(void *)",
  entry_xattr_reset: "int archive_entry_xattr_reset(void *)",
  entry_xattr_next: "int archive_entry_xattr_next(void *, _Out_ str *, _Out_ void **, _Out_ size_t *)",
};

/**
 * Loads libarchive (Debian package libarchive13) and binds its functions. In a process that will chroot this must come
 * first: neither the library nor what it loads can be found after.
 *
 * @throws Error when the library is missing
 */
export function loadLibarchive(): Libarchive {
  const koffi = loadKoffi();
  const library = open(() => koffi.load("libarchive.so.13"));
  const bound: Partial<Record<keyof Libarchive, unknown>> = {};
  for (const [name, declaration] of Object.entries(declarations)) {
    bound[name as keyof Libarchive] = library.func(declaration);
  }
  return bound as unknown as Libarchive;
}

function open<T>(load: () => T): T {
  try {
    return load();
  } catch (cause) {
    throw new Error("Cannot unpack layers: libarchive.so.13 is missing (Debian: apt-get install libarchive13)", {
      cause,
    });
  }
}
