import { crc32c } from "../../linux/crc32c.ts";
import { frameHeaderBytes } from "./format.ts";

/** The fixed part of a frame. */
export interface FrameHeader {
  /** Of `FrameKind`. */
  kind: number;
  /** Of `Encoding`. */
  encoding: number;
  payloadBytes: number;
  /** Of the device, for data and zeroes; else 0. */
  offsetBytes: number;
  lengthBytes: number;
  payloadChecksum: number;
}

// Where the fields are.
const at = {
  kind: 0,
  encoding: 1,
  reserved: 2,
  payloadBytes: 4,
  offset: 8,
  length: 16,
  payload: 24,
  header: 28,
} as const;

/** The 32 bytes of a frame's header, with a checksum of their own. */
export function packFrameHeader(frame: Omit<FrameHeader, "payloadChecksum">, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes);
  bytes.writeUInt8(frame.kind, at.kind);
  bytes.writeUInt8(frame.encoding, at.encoding);
  bytes.writeUInt32LE(frame.payloadBytes, at.payloadBytes);
  bytes.writeBigUInt64LE(BigInt(frame.offsetBytes), at.offset);
  bytes.writeBigUInt64LE(BigInt(frame.lengthBytes), at.length);
  bytes.writeUInt32LE(crc32c(payload), at.payload);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, at.header)), at.header);
  return bytes;
}

/** @returns undefined when the bytes are not as they were written, or are no frame's at all */
export function unpackFrameHeader(bytes: Buffer): FrameHeader | undefined {
  if (crc32c(bytes.subarray(0, at.header)) !== bytes.readUInt32LE(at.header)) return undefined;
  const [offsetBytes, lengthBytes] = [at.offset, at.length].map((place) => Number(bytes.readBigUInt64LE(place)));
  if (bytes.readUInt16LE(at.reserved) !== 0) return undefined;
  if (!Number.isSafeInteger(offsetBytes) || !Number.isSafeInteger(lengthBytes)) return undefined;
  return {
    kind: bytes.readUInt8(at.kind),
    encoding: bytes.readUInt8(at.encoding),
    payloadBytes: bytes.readUInt32LE(at.payloadBytes),
    offsetBytes,
    lengthBytes,
    payloadChecksum: bytes.readUInt32LE(at.payload),
  };
}
