import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { PoolDescription, PoolSink } from "../../metadata-tools/dump.ts";
import { PoolXmlReader } from "../../metadata-tools/pool-xml-reader.ts";

const pieceBytes = 1 << 18;

/** Tells a sink the pool that a file describes in XML. @throws Error when it is not there, or no dump of a pool */
export function readPoolXml(path: string, sink: PoolSink, overrides: Partial<PoolDescription> = {}): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new Error(`Cannot read ${path}: there is no such file`);
  if (stat.isDirectory()) throw new Error(`Cannot read ${path}: it is a folder, and no dump of a pool`);
  const fd = openSync(path, "r");
  try {
    const reader = new PoolXmlReader(sink, overrides);
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (let got = readSync(fd, piece); got > 0; got = readSync(fd, piece)) reader.write(piece.subarray(0, got));
    reader.end();
  } finally {
    closeSync(fd);
  }
}
