import { writeSync } from "node:fs";
import { LayerError } from "./layer-error.ts";
import { archiveStatus, type Libarchive, type Pointer } from "./libarchive.ts";

const BUFFER_BYTES = 1 << 18;

/**
 * Copies one descriptor to another, undoing zstd, xz or bzip2 compression, whichever it finds.
 *
 * @throws LayerError when the stream is damaged or ends early
 */
export function decompressStream(lib: Libarchive, from: number, to: number): void {
  const archive = lib.read_new();
  lib.read_support_filter_zstd(archive);
  lib.read_support_filter_xz(archive);
  lib.read_support_filter_bzip2(archive);
  lib.read_support_format_raw(archive);
  check(lib, archive, lib.read_open_fd(archive, from, BUFFER_BYTES));
  check(lib, archive, lib.read_next_header2(archive, lib.entry_new2(archive)));
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  for (;;) {
    const bytes = lib.read_data(archive, buffer, buffer.length);
    if (bytes === 0) return;
    if (bytes < 0) check(lib, archive, bytes);
    for (let done = 0; done < bytes;) done += writeSync(to, buffer, done, bytes - done);
  }
}

function check(lib: Libarchive, archive: Pointer, status: number): void {
  if (status === archiveStatus.ok) return;
  throw new LayerError(`Cannot decompress: ${lib.error_string(archive) ?? "the data is damaged"}`);
}
