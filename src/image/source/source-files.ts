import type { Readable } from "node:stream";
import { StoreError } from "../store-error.ts";

/** A blob or file of a source, ready to be read. */
export interface SourceFile {
  sizeBytes: number;
  open(): Readable;
}

/** The files an image source consists of, whether a folder or a tar. Names are relative and clean: "blobs/sha256/…". */
export interface SourceFiles {
  /** How to name the source in messages. */
  readonly label: string;
  /** A regular file, or one that a link in the source leads to; undefined when there is none. */
  file(name: string): SourceFile | undefined;
  /** Some names at the top, for messages. */
  topNames(): string[];
}

/** Reads a whole small file. @throws StoreError when it is missing or larger than a file of its kind has reason to be */
export async function readSmall(files: SourceFiles, name: string, maxBytes: number): Promise<Buffer> {
  const file = files.file(name);
  if (file === undefined) throw missing(files, name);
  if (file.sizeBytes > maxBytes) {
    throw new StoreError(
      "damaged",
      `Cannot use ${name} of ${files.label}: it has ${file.sizeBytes} bytes, more than ${maxBytes}`,
    );
  }
  const chunks: Buffer[] = [];
  for await (const chunk of file.open()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The error for a file that ought to be in a source. */
export function missing(files: SourceFiles, name: string): StoreError {
  return new StoreError("damaged", `Cannot import ${files.label}: it has no ${name}, which it refers to`);
}
