import type { ExportedDevice } from "./exported-device.ts";
import type { KnownData } from "./known-data.ts";
import { Allocation, CommandFlag, Size } from "./nbd-protocol.ts";
import { bufferOf, MOST_EXTENTS, type NbdRequest } from "./nbd-request.ts";
import { writeExtent } from "./reply-writer.ts";

/** Extents that one BLOCK_STATUS is answered with at most; the client asks again for the rest. */
export const MOST_STATUS_EXTENTS = 128;

/** Notes which parts of a read are holes; the last of them, where there are many, is data whatever it is. */
export function findHoles(device: ExportedDevice, request: NbdRequest, known: KnownData): void {
  const { offset, length } = request;
  request.extents = 0;
  for (let at = 0; at < length;) {
    const data = Math.min(device.seek(offset + at, "data") - offset, length);
    if (data > at && request.extents < MOST_EXTENTS - 1) {
      noteExtent(request, data, "hole");
      at = data;
      continue;
    }
    const hole = device.seek(offset + data, "hole") - offset;
    known.add(offset + data, offset + hole);
    at = request.extents < MOST_EXTENTS - 1 ? Math.min(hole, length) : length;
    noteExtent(request, at, "data");
  }
}

function noteExtent(request: NbdRequest, end: number, kind: "data" | "hole"): void {
  const before = request.extents - 1;
  const goesOn = before >= 0 && (request.extentIsHole[before] === 1) === (kind === "hole");
  const index = goesOn ? before : request.extents++;
  request.extentEnds[index] = end;
  request.extentIsHole[index] = kind === "hole" ? 1 : 0;
}

/** Fills the buffer of a BLOCK_STATUS, which has room for `MOST_STATUS_EXTENTS`, and notes how many extents it holds. */
export function tellStatus(device: ExportedDevice, request: NbdRequest): void {
  const { offset, length, flags } = request;
  const buffer = bufferOf(request);
  const most = (flags & CommandFlag.REQ_ONE) !== 0 ? 1 : MOST_STATUS_EXTENTS;
  const end = offset + length;
  const put = (index: number, begin: number, until: number, state: number): void => {
    writeExtent(buffer.memory, buffer.dataStart + index * Size.extent, until - begin, state);
  };
  let count = 0;
  /** Where the extent of data begins that is written already, and may go on. */
  let dataBegin = -1;
  for (let at = offset; at < end;) {
    const data = device.hasHoles ? Math.min(device.seek(at, "data"), end) : at;
    if (data > at) {
      if (count === most) break;
      put(count++, at, data, Allocation.HOLE | Allocation.ZERO);
      dataBegin = -1;
      at = data;
      continue;
    }
    const hole = device.hasHoles ? Math.min(device.seek(at, "hole"), end) : end;
    if (dataBegin < 0) {
      if (count === most) break;
      dataBegin = at;
      count++;
    }
    put(count - 1, dataBegin, hole, 0);
    at = hole;
  }
  request.extents = count;
}
