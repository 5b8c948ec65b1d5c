import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { TreeFolder } from "../file-system/file-tree.ts";
import { quotePath } from "../file-system/raw-path.ts";
import { LayerError } from "./layer-error.ts";

const CHUNK_BYTES = 1 << 18;

/** A line of the record; see TarRecorder. `name_raw` is base64, for names that are not UTF-8. */
interface TarRecord {
  type: number;
  payload?: string;
  name?: string;
  name_raw?: string;
  size?: number;
}

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
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const reading = new Promise<Error | undefined>((resolve) => {
    pipeline(createReadStream(recordPath), gunzip, (error) => resolve(error ?? undefined));
  });
  try {
    // A failure ends the lines early without a word; `reading` has it.
    for await (const line of createInterface({ input: gunzip, crlfDelay: Infinity })) {
      if (line === "") continue;
      const record = JSON.parse(line) as TarRecord;
      if (record.type === 2) yield Buffer.from(record.payload ?? "", "base64");
      else if ((record.size ?? 0) > 0) yield* fileChunks(root, record);
    }
    const failure = await reading;
    if (failure !== undefined)
      throw new LayerError(`Cannot read the layer's record '${recordPath}': ${failure.message}`);
  } finally {
    gunzip.destroy();
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
