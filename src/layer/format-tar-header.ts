import { formatPaxRecord } from "./pax-records.ts";
import type { RawPath } from "../file-system/raw-path.ts";
import { TAR_BLOCK_BYTES } from "./tar-header.ts";

/** What goes into an entry's header. */
export interface TarHeaderFields {
  name: RawPath;
  /** "0" file, "1" hard link, "2" symbolic link, "3" character device, "4" block device, "5" folder, "6" pipe. */
  type: string;
  /** Permission bits, set-id and sticky bits. */
  mode: number;
  uid?: number;
  gid?: number;
  sizeBytes?: number;
  /** Since 1970; fractions of a second are kept in a pax record. */
  mtimeNs?: bigint;
  linkName?: RawPath;
  device?: { major: number; minor: number };
  /** Further pax records, such as extended attributes as SCHILY.xattr.NAME. */
  pax?: [string, Uint8Array][];
}

const NANOSECONDS = 1_000_000_000n;
const NAME_BYTES = 100;
const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;

/**
 * An entry's header blocks: POSIX ustar, with a pax extended header before it for what does not fit or ustar has no field
 * for. The same fields give the same bytes always.
 */
export function formatTarHeader(fields: TarHeaderFields): Buffer {
  const { name, linkName = "", uid = 0, gid = 0, sizeBytes = 0, mtimeNs = 0n } = fields;
  const device = fields.device ?? { major: 0, minor: 0 };
  const nanoseconds = ((mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  const seconds = Number((mtimeNs - nanoseconds) / NANOSECONDS);
  const pax: Buffer[] = [];
  const need = (condition: boolean, key: string, value: string | Uint8Array): void => {
    if (condition) pax.push(formatPaxRecord(key, value));
  };
  need(name.length > NAME_BYTES, "path", name);
  need(linkName.length > NAME_BYTES, "linkpath", linkName);
  need(uid > MAX_OCTAL_7, "uid", String(uid));
  need(gid > MAX_OCTAL_7, "gid", String(gid));
  need(sizeBytes > MAX_OCTAL_11, "size", String(sizeBytes));
  need(nanoseconds !== 0n || seconds < 0 || seconds > MAX_OCTAL_11, "mtime", decimalTime(mtimeNs));
  need(device.major > MAX_OCTAL_7, "SCHILY.devmajor", String(device.major));
  need(device.minor > MAX_OCTAL_7, "SCHILY.devminor", String(device.minor));
  for (const [key, value] of fields.pax ?? []) need(true, key, value);

  const main = block({
    ...fields,
    uid: uid > MAX_OCTAL_7 ? 0 : uid,
    gid: gid > MAX_OCTAL_7 ? 0 : gid,
    sizeBytes: sizeBytes > MAX_OCTAL_11 ? 0 : sizeBytes,
    seconds: seconds < 0 || seconds > MAX_OCTAL_11 ? 0 : seconds,
    device: { major: Math.min(device.major, MAX_OCTAL_7), minor: Math.min(device.minor, MAX_OCTAL_7) },
  });
  if (pax.length === 0) return main;
  const body = Buffer.concat(pax);
  const header = block({ name: `PaxHeaders.0/${name.slice(-80)}`, type: "x", mode: 0o644, sizeBytes: body.length });
  return Buffer.concat([header, body, Buffer.alloc(tarPadding(body.length)), main]);
}

/** How many zero bytes follow content of a length. */
export function tarPadding(bytes: number): number {
  return (TAR_BLOCK_BYTES - (bytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

/** The mark that ends a tar. */
export const TAR_END: Buffer = Buffer.alloc(2 * TAR_BLOCK_BYTES);

function block(fields: TarHeaderFields & { seconds?: number }): Buffer {
  const header = Buffer.alloc(TAR_BLOCK_BYTES);
  const octal = (offset: number, digits: number, value: number): void => {
    header.write(value.toString(8).padStart(digits, "0"), offset, "latin1");
  };
  header.write(fields.name.slice(0, NAME_BYTES), 0, "latin1");
  octal(100, 7, fields.mode);
  octal(108, 7, fields.uid ?? 0);
  octal(116, 7, fields.gid ?? 0);
  octal(124, 11, fields.sizeBytes ?? 0);
  octal(136, 11, fields.seconds ?? 0);
  header.write("        ", 148, "latin1");
  header.write(fields.type, 156, "latin1");
  header.write((fields.linkName ?? "").slice(0, NAME_BYTES), 157, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  octal(329, 7, fields.device?.major ?? 0);
  octal(337, 7, fields.device?.minor ?? 0);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

function decimalTime(timeNs: bigint): string {
  const sign = timeNs < 0n ? "-" : "";
  const absolute = timeNs < 0n ? -timeNs : timeNs;
  const fraction = (absolute % NANOSECONDS).toString().padStart(9, "0").replace(/0+$/, "");
  return `${sign}${absolute / NANOSECONDS}${fraction === "" ? "" : `.${fraction}`}`;
}
