/**
 * Records of the pool's journal: `crc32 u32 · kind u32 · length u32 · payload`, little-endian; the checksum covers
 * everything after itself. Block changes are packed numbers, everything else is JSON.
 */
export type JournalRecord =
  | { kind: "start"; bootId: string; superblock: string }
  | { kind: "insert"; device: number; virtualBlock: number; dataBlock: number; blocks: number }
  | { kind: "remove"; device: number; begin: number; end: number }
  | { kind: "freed"; dataBlock: number; blocks: number }
  | { kind: "message"; line: string; requestId?: string; answer: string }
  | { kind: "activate"; id: number; sizeSectors: number; tag: string; origin?: string; requestId?: string }
  | { kind: "deactivate"; id: number; requestId?: string }
  | { kind: "answer"; requestId: string; answer: string };

const kinds = ["start", "insert", "remove", "freed", "message", "activate", "deactivate", "answer"] as const;
const insertKind = kinds.indexOf("insert");

const headerBytes = 12;
/** Bytes of a packed insert record. */
export const insertRecordBytes = headerBytes + 24;

const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 in JavaScript: on a record of 36 bytes it is quicker than the way into native code. */
function crc32(bytes: Uint8Array, begin: number, end: number): number {
  let value = 0xffffffff;
  for (let at = begin; at < end; at++) value = crcTable[(value ^ bytes[at]) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}

function writeNumber(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

function readNumber(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

/** Packs an insert record at `at` without allocating; `view` and `bytes` are the same memory. */
export function writeInsertRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  device: number,
  virtualBlock: number,
  dataBlock: number,
  blocks: number,
): void {
  view.setUint32(at + 4, insertKind, true);
  view.setUint32(at + 8, 24, true);
  view.setUint32(at + 12, device, true);
  view.setUint32(at + 16, blocks, true);
  writeNumber(view, at + 20, virtualBlock);
  writeNumber(view, at + 28, dataBlock);
  view.setUint32(at, crc32(bytes, at + 4, at + insertRecordBytes), true);
}

/** The bytes of any record. */
export function encodeRecord(record: JournalRecord): Uint8Array {
  if (record.kind === "insert") {
    const bytes = new Uint8Array(insertRecordBytes);
    const view = new DataView(bytes.buffer);
    writeInsertRecord(bytes, view, 0, record.device, record.virtualBlock, record.dataBlock, record.blocks);
    return bytes;
  }
  const payload = Buffer.from(JSON.stringify(record));
  const bytes = new Uint8Array(headerBytes + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, kinds.indexOf(record.kind), true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, headerBytes);
  view.setUint32(0, crc32(bytes, 4, bytes.length), true);
  return bytes;
}

/** The records of a journal up to the first that is torn or damaged. */
export function* decodeRecords(bytes: Uint8Array): IterableIterator<JournalRecord> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + headerBytes <= bytes.length) {
    const kind = kinds.at(view.getUint32(at + 4, true));
    const end = at + headerBytes + view.getUint32(at + 8, true);
    if (kind === undefined || end > bytes.length || crc32(bytes, at + 4, end) !== view.getUint32(at, true)) return;
    if (kind === "insert") {
      yield {
        kind,
        device: view.getUint32(at + 12, true),
        blocks: view.getUint32(at + 16, true),
        virtualBlock: readNumber(view, at + 20),
        dataBlock: readNumber(view, at + 28),
      };
    } else {
      // The checksum vouches for it: only this program writes these bytes.
      yield JSON.parse(Buffer.from(bytes.subarray(at + headerBytes, end)).toString()) as JournalRecord;
    }
    at = end;
  }
}
