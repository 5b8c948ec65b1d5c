import { printText } from "../../thin/output.ts";
import { conciseText } from "../concise.ts";
import { askOf, type Designation, designatedOrAll } from "../designate.ts";
import { requireInfo } from "../describe-info.ts";
import type { Session } from "../dmsetup-verb.ts";
import { printSegments } from "../print-segments.ts";
import { unmangle } from "../device-text.ts";

/** `dmsetup table` */
export async function run(session: Session): Promise<void> {
  const slot = session.line.has("inactive") ? "inactive" : "live";
  const tableOf = (device: Designation) =>
    askOf(session, "table", device, (devices, name) => devices.table(name, slot));
  if (!session.line.has("concise")) return printSegments(session, tableOf);
  const texts = [];
  for (const device of (await designatedOrAll(session)).devices) {
    const table = await tableOf(device);
    const { name, uuid, minor, readOnly } = await requireInfo(session, device);
    const [plainName, plainUuid] = [name, uuid].map((text) => unmangle(text, session.mangling));
    texts.push(conciseText({ name: plainName, uuid: plainUuid, minor, readOnly, table }));
  }
  printText(texts.length === 0 ? "No devices found\n" : `${texts.join(";")}\n`);
}
