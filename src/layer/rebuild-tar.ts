import { Readable } from "node:stream";
import type { TreeFolder } from "../file-system/file-tree.ts";
import { quotePath } from "../file-system/raw-path.ts";
import { LayerError } from "./layer-error.ts";
import { readTarRecord, type TarRecord } from "./read-tar-record.ts";

const CHUNK_BYTES = 1 << 18;

/**
 * Puts a layer's tar together again from its record and the files that were unpacked from it. Who reads the stream must
 * compare its digest with the layer's diff ID: files that were changed since would make another tar.
 *
 * @param recordPath what a TarRecorder, or Docker, wrote
 * @param root top of the root file system that the layer was applied to; it must stay open until the stream ends
 */
export function rebuildTar(recordPath: string, root: TreeFolder): Readable {
  return Readable.from(chunksOf(recordPath, root), { objectMode: false, highWaterMark: CHUNK_BYTES });
}

async function* chunksOf(recordPath: string, root: TreeFolder): AsyncGenerator<Buffer> {
  for await (const record of readTarRecord(recordPath)) {
    if (record.type === 2) yield Buffer.from(record.payload ?? "", "base64");
    else if ((record.size ?? 0) > 0) yield* fileChunks(root, record);
  }
}

function* fileChunks(root: TreeFolder, record: TarRecord): Generator<Buffer, void> {
  const name =
    record.name_raw === undefined ? (record.name ?? "") : Buffer.from(record.name_raw, "base64").toString("latin1");
  const sizeBytes = record.size ?? 0;
  const file = root.openPath(record.name_raw === undefined ? Buffer.from(name).toString("latin1") : name);
  try {
    if (file.sizeBytes !== sizeBytes) {
      throw new LayerError(`Cannot rebuild the layer's tar: ${quotePath(name)} is not as it was when it was unpacked`);
    }
    for (let position = 0; position < sizeBytes;) {
      const chunk = Buffer.allocUnsafe(Math.min(sizeBytes - position, CHUNK_BYTES));
      const bytes = file.read(chunk, 0, chunk.length, position);
      if (bytes === 0) throw new LayerError(`Cannot rebuild the layer's tar: ${quotePath(name)} ended early`);
      position += bytes;
      yield chunk.subarray(0, bytes);
    }
  } finally {
    file.close();
  }
}
