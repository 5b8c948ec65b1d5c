import { closeSync, fsyncSync } from "node:fs";
import type { PoolSink } from "../../metadata-tools/dump.ts";
import { PoolBuilder } from "../../metadata-tools/pool-builder.ts";
import { PoolXmlWriter } from "../../metadata-tools/pool-xml-writer.ts";
import { TextWriter } from "../../metadata-tools/text-writer.ts";
import { openToWrite } from "./open-to-write.ts";
import { openOutputFile } from "./output-file.ts";
import { writeAll } from "./output.ts";

/** Where a shrunk pool is written. Until it is finished it is no pool, to whoever reads it. */
export interface ShrinkTarget {
  readonly sink: PoolSink;
  /** Returns when all that the sink was told has reached the medium. */
  finish(): void;
  close(): void;
}

/** XML in a file, which is made or written over. */
export function xmlTarget(path: string): ShrinkTarget {
  const fd = openOutputFile(path);
  const writer = new TextWriter((bytes) => writeAll(fd, bytes));
  return {
    sink: new PoolXmlWriter(writer),
    finish() {
      writer.flush();
      fsyncSync(fd);
    },
    close: () => closeSync(fd),
  };
}

/** Metadata on a device, or in a file that is there. @throws Error when that is in use */
export function metadataTarget(path: string): ShrinkTarget {
  const file = openToWrite(path);
  return { sink: new PoolBuilder(file), finish: () => undefined, close: () => file.close() };
}
