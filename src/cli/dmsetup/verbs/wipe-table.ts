import { forEachDevice } from "../designate.ts";
import type { Session } from "../dmsetup-verb.ts";
import { failAllIo } from "../error-table.ts";

/** `dmsetup wipe_table` */
export async function run(session: Session): Promise<void> {
  await forEachDevice(session, (device) => failAllIo(session, device));
}
