/**
 * Reads the records of a pax extended header, `LENGTH KEY=VALUE\n` each (POSIX pax). Keys and values come one character
 * a byte; a later record of the same key wins.
 *
 * @returns undefined when a record is malformed
 */
export function parsePaxRecords(body: Buffer): Map<string, string> | undefined {
  const records = new Map<string, string>();
  for (let offset = 0; offset < body.length;) {
    const space = body.indexOf(0x20, offset);
    const lengthText = space < 0 ? "" : body.toString("latin1", offset, space);
    if (!/^\d{1,7}$/.test(lengthText)) return undefined;
    const end = offset + Number(lengthText);
    const equals = body.indexOf(0x3d, space);
    if (end > body.length || equals < 0 || equals >= end || body[end - 1] !== 0x0a) return undefined;
    records.set(body.toString("latin1", space + 1, equals), body.toString("latin1", equals + 1, end - 1));
    offset = end;
  }
  return records;
}

/** Writes one record; its length counts its own digits. */
export function formatPaxRecord(key: string, value: Uint8Array | string): Buffer {
  const valueBytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
  const rest = key.length + valueBytes.length + 3; // space, "=", newline
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`, "latin1"), valueBytes, Buffer.from("\n")]);
}
