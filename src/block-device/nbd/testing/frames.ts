// For tests: what an NBD client sends, byte by byte, so that it can also be wrong.
import { HandshakeFlag, OPTION_MAGIC, REQUEST_MAGIC } from "../nbd-protocol.ts";

/** The client's flags: u32. */
export function clientFlags(flags: number = HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(flags);
  return bytes;
}

/** An option with its data. @param length what its header says, where that is to be a lie */
export function option(number: number, data: Buffer = Buffer.alloc(0), length: number = data.length): Buffer {
  const head = Buffer.alloc(16);
  head.writeBigUInt64BE(OPTION_MAGIC, 0);
  head.writeUInt32BE(number, 8);
  head.writeUInt32BE(length, 12);
  return Buffer.concat([head, data]);
}

/** u32 length and the text. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** The data of INFO and GO. */
export function infoData(name: string, ...infos: number[]): Buffer {
  return Buffer.concat([text(name), uint16(infos.length), ...infos.map(uint16)]);
}

/** The data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function contextData(name: string, ...queries: string[]): Buffer {
  return Buffer.concat([text(name), uint32(queries.length), ...queries.map(text)]);
}

/** A request's header. */
export function request(
  command: number,
  fields: { flags?: number; cookie?: bigint; offset?: bigint | number; length?: number; magic?: number } = {},
): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt32BE(fields.magic ?? REQUEST_MAGIC, 0);
  bytes.writeUInt16BE(fields.flags ?? 0, 4);
  bytes.writeUInt16BE(command, 6);
  bytes.writeBigUInt64BE(fields.cookie ?? 1n, 8);
  bytes.writeBigUInt64BE(BigInt(fields.offset ?? 0), 16);
  bytes.writeUInt32BE(fields.length ?? 0, 24);
  return bytes;
}
