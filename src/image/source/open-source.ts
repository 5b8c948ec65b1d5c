import { createReadStream, createWriteStream, rmSync, statSync, type Stats } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { COMPRESSION_MAGIC_BYTES, detectCompression } from "../../layer/compression.ts";
import { decompress } from "../../layer/decompress.ts";
import { LayerError } from "../../layer/layer-error.ts";
import { peek, type PeekedStream } from "../../layer/peek.ts";
import { quotePath } from "../../file-system/raw-path.ts";
import { cleanEntryPath } from "../../layer/entry-path.ts";
import { TarScanner } from "../../layer/tar-scanner.ts";
import { errorCode } from "../../linux/system-error.ts";
import type { FileForm } from "../image-form.ts";
import type { Platform } from "../platform.ts";
import type { ImageReference } from "../reference.ts";
import { StoreError } from "../store-error.ts";
import { isDockerArchive, isLegacyDockerArchive, openDockerArchive } from "./docker-archive-source.ts";
import { folderFiles } from "./folder-files.ts";
import type { ImageSource } from "./image-source.ts";
import { isOciLayout, openOciSource } from "./oci-source.ts";
import type { SourceFiles } from "./source-files.ts";
import { TarFiles } from "./tar-files.ts";

const CHUNK_BYTES = 1 << 20;
/** So much of a stream is looked at to tell an archive of an image from a root file system. */
const SNIFF_BYTES = 1 << 20;
/** An archive of an image has a few entries a layer; a tar with more is a root file system. */
const MAX_ARCHIVE_ENTRIES = 4096;

const LOOKED_FOR =
  "an OCI image layout (oci-layout and index.json), a `docker save` archive (manifest.json), or a tar of a root file system, " +
  "each of the tars as it is or compressed by gzip, zstd, xz or bzip2";

/** What `openSource` needs to know. */
export interface OpenSourceOptions {
  /** The name the image is to have: tells images of one archive apart. */
  reference: ImageReference;
  platform: Platform;
  stdin: Readable;
  /** Where an archive that can only be read once is kept meanwhile. */
  temporaryFolder: string;
  signal: AbortSignal | undefined;
}

interface OpenOptions extends OpenSourceOptions {
  /** What it has to be. */
  form?: FileForm;
}

/**
 * Opens an image source, telling its kind by its content.
 *
 * @param source path of a folder or a file, or "-"; or a form, and then it has to be of that
 * @throws StoreError saying what was looked for when it is nothing of the kind
 */
export async function openSource(source: string | FileForm, options: OpenSourceOptions): Promise<ImageSource> {
  if (typeof source === "string") return openPath(source, options);
  return openPath(source.path, { ...options, form: source });
}

async function openPath(source: string, options: OpenOptions): Promise<ImageSource> {
  if (source === "-") return openStream(options.stdin, "standard input", options);
  const stats = statSource(source);
  const label = quotePath(source);
  if (options.form?.kind === "oci" && !stats.isDirectory()) throw notOf(label, "oci");
  if (stats.isDirectory()) {
    const found = await openFiles(folderFiles(source), options);
    if (found !== undefined) return found;
    throw new StoreError(
      "invalid",
      `Cannot import folder ${label}: it is neither an OCI image layout (oci-layout and index.json) nor an unpacked ` +
        "`docker save` archive (manifest.json). A root file system is imported as a tar: tar -C FOLDER -c . | mica import NAME -",
    );
  }
  if (!stats.isFile()) return openStream(createReadStream(source), label, options);
  const start = createReadStream(source, { highWaterMark: CHUNK_BYTES });
  const { head, rest } = await peek(start, COMPRESSION_MAGIC_BYTES);
  if (detectCompression(head) !== "none") return openStream(Readable.from(rest, { objectMode: false }), label, options);
  start.destroy();
  return openTar(source, label, options);
}

function statSource(source: string): Stats {
  try {
    return statSync(source);
  } catch (cause) {
    const why = errorCode(cause) === "ENOENT" ? "there is no such file or folder" : String(cause);
    throw new StoreError("not-found", `Cannot import '${source}': ${why}`, { cause });
  }
}

/** An uncompressed tar that can be read from anywhere in it. */
async function openTar(path: string, label: string, options: OpenOptions): Promise<ImageSource> {
  const files = scanTar(path, label);
  const found = files === undefined ? undefined : await openFiles(files, options);
  return (
    found ??
    rootfsSource(label, statSync(path).size, true, () => createReadStream(path, { highWaterMark: CHUNK_BYTES }))
  );
}

function scanTar(path: string, label: string): TarFiles | undefined {
  try {
    return TarFiles.scan(path, label, MAX_ARCHIVE_ENTRIES);
  } catch (cause) {
    if (cause instanceof LayerError) throw noSource(label, cause);
    throw cause;
  }
}

async function openFiles(files: SourceFiles, options: OpenOptions): Promise<ImageSource | undefined> {
  const { reference, platform, form } = options;
  const names = [
    reference.text,
    reference.tag ?? "",
    `docker.io/${reference.text}`,
    `docker.io/library/${reference.text}`,
  ];
  const { kind, name: exactly } = form ?? {};
  if (kind !== "docker-archive" && isOciLayout(files)) return openOciSource(files, { platform, names, exactly });
  const mayBeDockers = kind === undefined || kind === "docker-archive";
  if (mayBeDockers && (await isDockerArchive(files))) return openDockerArchive(files, { names, exactly });
  if (mayBeDockers && isLegacyDockerArchive(files)) {
    throw new StoreError(
      "invalid",
      `Cannot import ${files.label}: it was saved by a Docker older than 1.10. Load and save it with a newer one first`,
    );
  }
  if (kind !== undefined) throw notOf(files.label, kind);
  return undefined;
}

/** A stream: a root file system is unpacked as it comes, an archive has to be kept until all of it is there. */
async function openStream(stream: Readable, label: string, options: OpenOptions): Promise<ImageSource> {
  const { head, rest } = await peek(stream, COMPRESSION_MAGIC_BYTES);
  const compression = detectCompression(head);
  const compressed = Readable.from(rest, { objectMode: false });
  const peeked = await peekTar(decompress(compressed, compression), label);
  if (options.form !== undefined || looksLikeArchive(peeked.head, label))
    return openSpooled(peeked.rest, label, options);
  return rootfsSource(label, undefined, false, () => Readable.from(peeked.rest, { objectMode: false }));
}

async function peekTar(stream: Readable, label: string): Promise<PeekedStream> {
  try {
    return await peek(stream, SNIFF_BYTES);
  } catch (cause) {
    throw noSource(label, cause);
  }
}

async function openSpooled(stream: AsyncIterable<Buffer>, label: string, options: OpenOptions): Promise<ImageSource> {
  const path = join(options.temporaryFolder, `${process.pid}-${randomBytes(8).toString("hex")}`);
  const close = (): void => rmSync(path, { force: true });
  try {
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    await pipeline(stream, createWriteStream(path, { mode: 0o600 }), signal);
    return { ...(await openTar(path, label, options)), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** By the first entries' names: those of an image archive are few and known, and stand at the top. */
function looksLikeArchive(head: Buffer, label: string): boolean {
  let archive = false;
  const scanner = new TarScanner({
    framing: () => undefined,
    content: () => undefined,
    entry: ({ name }) => {
      const clean = cleanEntryPath(name) ?? "";
      archive ||= /^(?:blobs(?:\/.*)?|[^/]+\.(?:json|tar|tar\.gz)|oci-layout|repositories|[0-9a-f]{64}(?:\/.*)?)$/.test(
        clean,
      );
    },
  });
  try {
    scanner.write(head);
  } catch (cause) {
    throw noSource(label, cause);
  }
  if (scanner.position === 0) throw noSource(label, new LayerError("it is empty"));
  return archive;
}

function rootfsSource(
  label: string,
  sizeBytes: number | undefined,
  repeatable: boolean,
  open: () => Readable,
): ImageSource {
  return {
    kind: "rootfs",
    label,
    config: undefined,
    manifestDigest: undefined,
    layers: [{ digest: undefined, diffId: undefined, sizeBytes, repeatable, open }],
    close: () => undefined,
  };
}

function notOf(label: string, kind: FileForm["kind"]): StoreError {
  const is = kind === "docker-archive" ? "an archive as `docker save` writes" : "an OCI image layout";
  return new StoreError("invalid", `Cannot import ${label}: it is not ${is}, which ${kind}: says it is`);
}

function noSource(label: string, cause: unknown): StoreError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new StoreError("invalid", `Cannot import ${label}: ${why}. Looked for ${LOOKED_FOR}`, { cause });
}
