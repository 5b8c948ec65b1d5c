import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { cleanEntryPath } from "../../layer/entry-path.ts";
import { TarScanner } from "../../layer/tar-scanner.ts";
import { StoreError } from "../store-error.ts";
import type { SourceFile, SourceFiles } from "./source-files.ts";

const CHUNK_BYTES = 1 << 20;
const SCAN_BYTES = 1 << 16;
const MAX_LINKS = 8;

interface Place {
  offset: number;
  sizeBytes: number;
}

/** An uncompressed tar as an image source: its entries are found once and then read where they lie. */
export class TarFiles implements SourceFiles {
  readonly label: string;
  private readonly path: string;
  private readonly places = new Map<string, Place>();
  private readonly links = new Map<string, string>();

  /**
   * Finds the entries.
   *
   * @param maxEntries give up after so many: an image archive has few
   * @returns undefined when it has more entries than that
   * @throws LayerError when it is not a tar, or is cut
   */
  static scan(path: string, label: string, maxEntries: number): TarFiles | undefined {
    const files = new TarFiles(path, label);
    return files.scan(maxEntries) ? files : undefined;
  }

  private constructor(path: string, label: string) {
    this.path = path;
    this.label = label;
  }

  file(name: string): SourceFile | undefined {
    let target = name;
    for (let hops = 0; hops < MAX_LINKS; hops++) {
      const place = this.places.get(target);
      if (place !== undefined) return { sizeBytes: place.sizeBytes, open: () => this.open(place) };
      const next = this.links.get(target);
      if (next === undefined) return undefined;
      target = next;
    }
    return undefined;
  }

  topNames(): string[] {
    return [...new Set([...this.places.keys()].map((name) => name.split("/", 1)[0]))];
  }

  private open({ offset, sizeBytes }: Place): Readable {
    if (sizeBytes === 0) return Readable.from([], { objectMode: false });
    return createReadStream(this.path, { start: offset, end: offset + sizeBytes - 1, highWaterMark: CHUNK_BYTES });
  }

  private scan(maxEntries: number): boolean {
    const fd = openSync(this.path, "r");
    try {
      const fileBytes = fstatSync(fd).size;
      const buffer = Buffer.allocUnsafe(SCAN_BYTES);
      const scanner = this.scanner();
      while (!scanner.ended && this.places.size + this.links.size <= maxEntries) {
        const bytes = readSync(fd, buffer, 0, buffer.length, scanner.position);
        if (bytes === 0) break;
        scanner.write(buffer.subarray(0, bytes));
        scanner.skipContent();
      }
      if (this.places.size + this.links.size > maxEntries) return false;
      scanner.end();
      if (scanner.position > fileBytes) {
        throw new StoreError("damaged", `Cannot import ${this.label}: the tar is cut short`);
      }
      return true;
    } finally {
      closeSync(fd);
    }
  }

  private scanner(): TarScanner {
    const scanner = new TarScanner({
      framing: () => undefined,
      content: () => undefined,
      entry: (entry) => {
        const name = cleanEntryPath(entry.name);
        if (name === undefined) return;
        if (entry.type === "1" || entry.type === "2") {
          // A symbolic link is relative to where it is, a hard link to the top (docker save links equal layers).
          const link = entry.type === "1" ? entry.linkName : posix.join(posix.dirname(name), entry.linkName);
          const target = cleanEntryPath(link);
          if (target !== undefined) this.links.set(name, target);
        } else if ((entry.type === "0" || entry.type === "7") && !entry.sparse) {
          this.places.set(name, { offset: scanner.position, sizeBytes: entry.sizeBytes });
        }
      },
    });
    return scanner;
  }
}
