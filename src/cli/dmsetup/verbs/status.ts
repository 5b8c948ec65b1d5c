import { askOf, type Designation } from "../designate.ts";
import { requireInfo } from "../describe-info.ts";
import type { Session } from "../dmsetup-verb.ts";
import { printSegments } from "../print-segments.ts";

/** `dmsetup status` */
export async function run(session: Session): Promise<void> {
  const { line } = session;
  const slot = line.has("inactive") ? "inactive" : "live";
  const options = { noFlush: line.has("noflush"), slot } as const;
  await printSegments(session, async (device: Designation) => {
    await requireInfo(session, device);
    return askOf(session, "status", device, (devices, name) => devices.status(name, options));
  });
}
