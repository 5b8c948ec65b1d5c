import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { LayerError } from "./layer-error.ts";

const CHUNK_BYTES = 1 << 18;

/** A line of a tar's record; see TarRecorder. `name_raw` is base64, for names that are not UTF-8. */
export interface TarRecord {
  /** 1: the content of a file; 2: bytes as they are, in `payload`. */
  type: number;
  payload?: string;
  name?: string;
  name_raw?: string;
  size?: number;
}

/**
 * Reads what a TarRecorder, or Docker, wrote of a layer's tar, in order.
 *
 * @throws LayerError when the record is damaged
 */
export async function* readTarRecord(recordPath: string): AsyncGenerator<TarRecord, void> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const reading = new Promise<Error | undefined>((resolve) => {
    pipeline(createReadStream(recordPath), gunzip, (error) => resolve(error ?? undefined));
  });
  try {
    // A failure ends the lines early without a word; `reading` has it.
    for await (const line of createInterface({ input: gunzip, crlfDelay: Infinity })) {
      if (line !== "") yield parsed(line, recordPath);
    }
    const failure = await reading;
    if (failure !== undefined) throw unreadable(recordPath, failure.message);
  } finally {
    gunzip.destroy();
  }
}

/** Bytes of the tar that a record tells of. @throws LayerError when the record is damaged */
export async function recordedTarBytes(recordPath: string): Promise<number> {
  let bytes = 0;
  for await (const { type, payload, size } of readTarRecord(recordPath)) {
    bytes += type === 2 ? Buffer.byteLength(payload ?? "", "base64") : (size ?? 0);
  }
  return bytes;
}

function parsed(line: string, recordPath: string): TarRecord {
  try {
    return JSON.parse(line) as TarRecord;
  } catch {
    throw unreadable(recordPath, "a line of it is not JSON");
  }
}

function unreadable(recordPath: string, why: string): LayerError {
  return new LayerError(`Cannot read the layer's record '${recordPath}': ${why}`);
}
