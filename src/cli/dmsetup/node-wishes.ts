import { chmodSync, chownSync, closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { setReadAhead } from "../../linux/block-device.ts";
import type { Designation } from "./designate.ts";
import { requireInfo } from "./describe-info.ts";
import { readAheadSectors } from "./device-numbers.ts";
import { badLine } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";

/** Gives a device's node the owner, the permissions and the read-ahead that the line asks for. */
export async function setNode(session: Session, device: Designation): Promise<void> {
  const { line } = session;
  if (!["readahead", "uid", "gid", "mode"].some((option) => line.has(option))) return;
  const info = await requireInfo(session, device);
  const node = join(session.deviceDir, "mapper", info.name);
  if (statSync(node, { throwIfNoEntry: false }) === undefined) return;
  const mode = line.value("mode");
  if (mode !== undefined) chmodSync(node, octal(mode));
  if (line.has("uid") || line.has("gid")) chownSync(node, line.number("uid") ?? -1, line.number("gid") ?? -1);
  const sectors = wantedReadAhead(line.value("readahead"), readAheadSectors(info) ?? 0);
  if (sectors === undefined) return;
  const fd = openSync(node, "r");
  try {
    setReadAhead(fd, sectors);
  } finally {
    closeSync(fd);
  }
}

/** @returns undefined where it is to stay as it is */
function wantedReadAhead(wish: string | undefined, now: number): number | undefined {
  if (wish === undefined || wish === "auto") return undefined;
  if (wish === "none") return 0;
  const parts = /^(\+?)(\d{1,10})$/.exec(wish);
  if (parts === null) throw badLine(`Cannot set the read-ahead: '${wish}' is not [+]SECTORS, auto or none.`);
  const sectors = Number(parts[2]);
  return parts[1] === "" ? sectors : Math.max(sectors, now);
}

function octal(mode: string): number {
  if (/^[0-7]{1,4}$/.test(mode)) return parseInt(mode, 8);
  throw badLine(`Cannot set permissions: '${mode}' is no octal number.`);
}
