import { DeviceMapperError } from "./device-mapper-error.ts";

/** A thin device's table. */
export interface ThinTable {
  sectors: number;
  /** The pool's name: a /dev/mapper/ before it is left off. */
  pool: string;
  deviceId: number;
  externalOrigin: string | undefined;
}

/** Reads `0 SECTORS thin POOL ID [ORIGIN]` (thin-provisioning.rst). EINVAL says what is wrong with it. */
export function parseThinTable(line: string): ThinTable {
  const words: (string | undefined)[] = line.trim().split(/\s+/);
  const [start, sectors = "", target, pool, id, externalOrigin, ...more] = words;
  if (target !== "thin") throw refused(line, `its target is '${target ?? ""}', not thin`);
  if (start !== "0") throw refused(line, "it does not start at sector 0");
  if (!/^[1-9]\d{0,15}$/.test(sectors)) throw refused(line, `length '${sectors}' is not a number of sectors`);
  if (pool === undefined || id === undefined || more.length > 0) throw refused(line, "it wants POOL ID [ORIGIN]");
  const deviceId = /^\d{1,8}$/.test(id) ? Number(id) : NaN;
  if (!(deviceId < 2 ** 24)) throw refused(line, `device id '${id}' is not a number below 16777216`);
  return { sectors: Number(sectors), pool: pool.replace(/^\/dev\/mapper\//, ""), deviceId, externalOrigin };
}

/** The inverse of `parseThinTable`. */
export function formatThinTable(table: ThinTable): string {
  const origin = table.externalOrigin === undefined ? "" : ` ${table.externalOrigin}`;
  return `0 ${table.sectors} thin ${table.pool} ${table.deviceId}${origin}`;
}

function refused(line: string, why: string): DeviceMapperError {
  return new DeviceMapperError("EINVAL", `Cannot use the thin device table '${line.trim()}': ${why}`);
}
