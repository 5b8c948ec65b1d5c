import { parseThinParameters } from "../block-device/thin-parameters.ts";
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
  const [start, sectors = "", target, ...parameters] = words;
  if (target !== "thin") throw refused(line, `its target is '${target ?? ""}', not thin`);
  if (start !== "0") throw refused(line, "it does not start at sector 0");
  if (!/^[1-9]\d{0,15}$/.test(sectors)) throw refused(line, `length '${sectors}' is not a number of sectors`);
  const { pool, deviceId, externalOrigin } = parseThinParameters(parameters, (why) => refused(line, why));
  return { sectors: Number(sectors), pool: pool.replace(/^\/dev\/mapper\//, ""), deviceId, externalOrigin };
}

function refused(line: string, why: string): DeviceMapperError {
  return new DeviceMapperError("EINVAL", `Cannot use the thin device table '${line.trim()}': ${why}`);
}
