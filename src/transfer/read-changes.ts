import { closeSync } from "node:fs";
import { promisify } from "node:util";
import { constants, deflateRaw } from "node:zlib";
import type { ChangedRange, ChangedRanges } from "../graph/devices/changed-ranges.ts";
import type { DeviceSet } from "../graph/device-set.ts";
import { BufferPool } from "./buffer-pool.ts";
import { openDevice, readFully } from "./device-access.ts";
import { mostDataBytes } from "./stream/format.ts";
import type { DataPayload } from "./stream/stream-writer.ts";

const deflate = promisify(deflateRaw);

/** Reads under way at a time: what keeps an engine busy while the stream is written. */
const depth = 6;

const zeroes = Buffer.alloc(mostDataBytes);

/** Data that are sent as they are, or deflated where that makes them less. */
export type Compression = "none" | "deflate";

/** A range of the device as it is to be sent: what it holds, or that it reads as zeroes. `done` is called when the payload was used. */
export type ReadRange =
  { kind: "zeroes"; offsetBytes: number; lengthBytes: number } | ({ kind: "data"; done: () => void } & DataPayload);

/** What differs between two devices at rest, from a place on; the pool may go on. */
export interface Difference {
  devices: Pick<DeviceSet, "changedRanges">;
  device: string;
  /** undefined: all that the device has. */
  origin: string | undefined;
  fromBytes: number;
}

/** How much differs, and the pool's block size. */
export async function measureChanges(difference: Difference): Promise<{ blockBytes: number; changedBytes: number }> {
  let [blockBytes, changedBytes] = [0, 0];
  for await (const part of parts(difference)) {
    blockBytes = part.blockBytes;
    for (const { lengthBytes } of part.ranges) changedBytes += lengthBytes;
  }
  return { blockBytes, changedBytes };
}

async function* parts({ devices, device, origin, fromBytes }: Difference): AsyncGenerator<ChangedRanges> {
  for (let next: number | undefined = fromBytes; next !== undefined;) {
    const { ranges, ...part } = await devices.changedRanges(device, origin, next);
    yield { ...part, ranges: ranges.flatMap((range) => cutBefore(range, fromBytes)) };
    next = part.nextBytes;
  }
}

/** What of a range lies behind a place. */
function cutBefore({ kind, offsetBytes, lengthBytes }: ChangedRange, place: number): ChangedRange[] {
  const cut = Math.max(0, place - offsetBytes);
  return cut < lengthBytes ? [{ kind, offsetBytes: offsetBytes + cut, lengthBytes: lengthBytes - cut }] : [];
}

/**
 * Reads what differs, in order, some of it ahead.
 *
 * @param path the device's block device
 */
export async function* readChanges(
  difference: Difference,
  path: string,
  compression: Compression,
): AsyncGenerator<ReadRange, void, undefined> {
  const fd = openDevice(path, "read");
  const buffers = new BufferPool(depth);
  const ahead: Promise<ReadRange>[] = [];
  try {
    for await (const piece of pieces(difference)) {
      if (ahead.length === depth) yield await ahead.shift()!;
      const reading = prepare(fd, piece, buffers, compression);
      reading.catch(() => undefined); // told when it is its turn
      ahead.push(reading);
    }
    while (ahead.length > 0) yield await ahead.shift()!;
  } finally {
    await Promise.allSettled(ahead);
    closeSync(fd);
  }
}

/** The ranges that differ, ascending, data in pieces of which each fits a frame. */
async function* pieces(difference: Difference): AsyncGenerator<ChangedRange> {
  for await (const { ranges } of parts(difference)) {
    for (const range of ranges) {
      if (range.kind === "unmapped") {
        yield range;
        continue;
      }
      const end = range.offsetBytes + range.lengthBytes;
      for (let offsetBytes = range.offsetBytes; offsetBytes < end; offsetBytes += mostDataBytes) {
        yield { kind: "mapped", offsetBytes, lengthBytes: Math.min(mostDataBytes, end - offsetBytes) };
      }
    }
  }
}

async function prepare(
  fd: number,
  { kind, offsetBytes, lengthBytes }: ChangedRange,
  buffers: BufferPool,
  compression: Compression,
): Promise<ReadRange> {
  if (kind === "unmapped") return { kind: "zeroes", offsetBytes, lengthBytes };
  const buffer = await buffers.take();
  const done = (): void => buffers.give(buffer);
  try {
    const data = buffer.subarray(0, lengthBytes);
    await readFully(fd, data, offsetBytes);
    if (data.equals(zeroes.subarray(0, lengthBytes))) {
      done();
      return { kind: "zeroes", offsetBytes, lengthBytes };
    }
    if (compression === "deflate") {
      const payload = await deflate(data, { level: constants.Z_BEST_SPEED });
      if (payload.length < lengthBytes) {
        return { kind: "data", offsetBytes, lengthBytes, payload, encoding: "deflate", done };
      }
    }
    return { kind: "data", offsetBytes, lengthBytes, payload: data, encoding: "plain", done };
  } catch (error) {
    done();
    throw error;
  }
}
