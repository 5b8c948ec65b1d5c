import { closeSync, readSync } from "node:fs";
import type { PoolDescription, PoolSink } from "../../metadata-tools/dump.ts";
import { PoolXmlReader } from "../../metadata-tools/pool-xml-reader.ts";
import { openInputFile } from "./input-file.ts";

const pieceBytes = 1 << 18;

/** Tells a sink the pool that a file describes in XML. @throws Error when it is not there, or no dump of a pool */
export function readPoolXml(path: string, sink: PoolSink, overrides: Partial<PoolDescription> = {}): void {
  const fd = openInputFile(path);
  try {
    const reader = new PoolXmlReader(sink, overrides);
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (let got = readSync(fd, piece); got > 0; got = readSync(fd, piece)) reader.write(piece.subarray(0, got));
    reader.end();
  } finally {
    closeSync(fd);
  }
}
