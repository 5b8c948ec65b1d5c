import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { createGzip, type Gzip } from "node:zlib";
import { isAscii, type RawPath } from "../file-system/raw-path.ts";
import { TarScanner, type TarEntry } from "./tar-scanner.ts";

/** Framing is gathered up to so many bytes, to make fewer and better compressed records. */
const SEGMENT_BYTES = 1 << 16;
const BATCH_LENGTH = 1 << 18;

/**
 * Writes down all of a tar but the contents of its files, so that the layer's tar can be put together again byte for byte
 * from the unpacked files: an image's IDs are digests of its layers' tars.
 *
 * The form is that of Docker's `tar-split.json.gz`: a line of JSON a record, `{"type":2,"payload":BASE64}` for bytes as they
 * are and `{"type":1,"name":PATH,"size":BYTES}` for the content of a file, all gzipped (github.com/vbatts/tar-split).
 */
export class TarRecorder {
  /** Bytes of the whole tar so far. */
  tarBytes = 0;
  private readonly scanner: TarScanner;
  private readonly gzip: Gzip;
  private readonly written: Promise<void>;
  private readonly verbatim: boolean;
  private segment = Buffer.allocUnsafe(SEGMENT_BYTES);
  private segmentBytes = 0;
  /** Records on their way: compressing them one by one would cost more than the compression. */
  private lines: string[] = [];
  private linesLength = 0;
  private byReference = false;
  private position = 0;
  private readonly names = new Set<RawPath>();
  private duplicates = false;

  /**
   * @param path the file to write
   * @param options.verbatim keep file contents too, for tars whose unpacked files do not add up to them
   */
  constructor(path: string, options: { verbatim?: boolean } = {}) {
    this.verbatim = options.verbatim ?? false;
    this.gzip = createGzip({ level: 1, chunkSize: 1 << 16 });
    const file = createWriteStream(path, { flush: true, mode: 0o600 });
    this.written = finished(file);
    this.written.catch(() => undefined);
    this.gzip.on("error", (error) => file.destroy(error));
    file.on("error", () => this.gzip.destroy());
    this.gzip.pipe(file);
    this.scanner = new TarScanner({
      framing: (bytes) => this.addSegment(bytes),
      entry: (entry) => this.beginEntry(entry),
      content: (bytes) => {
        if (!this.byReference) this.addSegment(bytes);
      },
    });
  }

  /** Takes the next piece of the tar; resolves when there is room for more. @throws LayerError on a damaged tar */
  async write(chunk: Buffer): Promise<void> {
    this.tarBytes += chunk.length;
    this.scanner.write(chunk);
    if (this.gzip.writableNeedDrain) await Promise.race([once(this.gzip, "drain"), this.written]);
  }

  /**
   * Completes the file and syncs it.
   *
   * @returns whether the tar carried its end mark, and whether an entry came twice, so that files may not add up to it
   */
  async end(): Promise<{ ended: boolean; duplicates: boolean }> {
    this.scanner.end();
    this.flushSegment();
    this.flushLines();
    this.gzip.end();
    await this.written;
    return { ended: this.scanner.ended, duplicates: this.duplicates };
  }

  /** Gives up: closes the file, which is then of no use. */
  destroy(): void {
    this.gzip.unpipe();
    this.gzip.destroy(new Error("given up"));
  }

  private beginEntry(entry: TarEntry): void {
    const name = entry.name.replace(/^(?:\.?\/)+/, "");
    if (this.names.has(name) && name !== "" && !name.endsWith("/")) this.duplicates = true;
    this.names.add(name);
    const isFile = entry.type === "0" || entry.type === "7";
    this.byReference = !this.verbatim && isFile && !entry.sparse && entry.sizeBytes > 0 && !entry.name.endsWith("/");
    if (!this.byReference) return;
    this.flushSegment();
    const nameField = isAscii(entry.name)
      ? `"name":${JSON.stringify(entry.name)}`
      : `"name":"","name_raw":"${Buffer.from(entry.name, "latin1").toString("base64")}"`;
    this.addLine(`{"type":1,${nameField},"size":${entry.sizeBytes},"position":${this.position++}}\n`);
  }

  private addSegment(bytes: Buffer): void {
    for (let offset = 0; offset < bytes.length;) {
      const copied = bytes.copy(this.segment, this.segmentBytes, offset);
      offset += copied;
      this.segmentBytes += copied;
      if (this.segmentBytes === SEGMENT_BYTES) this.flushSegment();
    }
  }

  private flushSegment(): void {
    if (this.segmentBytes === 0) return;
    const payload = this.segment.toString("base64", 0, this.segmentBytes);
    this.segmentBytes = 0;
    this.addLine(`{"type":2,"payload":"${payload}","position":${this.position++}}\n`);
  }

  private addLine(line: string): void {
    this.lines.push(line);
    this.linesLength += line.length;
    if (this.linesLength >= BATCH_LENGTH) this.flushLines();
  }

  private flushLines(): void {
    if (this.linesLength > 0) this.gzip.write(this.lines.join(""));
    this.lines = [];
    this.linesLength = 0;
  }
}
