import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { linkPath } from "../device-link.ts";
import type { Place } from "../place.ts";
import { loopBackingFile } from "../../../linux/loop.ts";
import type { MappedContext, SeenDevice } from "./mapped-context.ts";

/** Makes the links right: of one device, or of all that run, and then those that lead nowhere go. */
export async function makeNodes(context: MappedContext, seen: SeenDevice | undefined): Promise<void> {
  if (seen !== undefined) {
    if (seen.place !== undefined) await makeNode(context, seen.name, seen.place);
    return;
  }
  for (const place of await context.devices.places()) await makeNode(context, context.devices.nameOf(place), place);
  removeDeadLinks(join(context.deviceDir, "mapper"));
}

async function makeNode({ devices, deviceDir }: MappedContext, name: string, place: Place): Promise<void> {
  await devices.attached(place);
  await devices.loop(place).note({ link: linkPath(deviceDir, name) });
}

/** A loop device that is on nothing is nobody's: the link is of a device that is gone. */
function removeDeadLinks(folder: string): void {
  for (const entry of links(folder)) {
    const link = join(folder, entry);
    const device = readlinkSync(link);
    if (/^\/dev\/loop\d+$/.test(device) && loopBackingFile(device) === undefined) rmSync(link);
  }
}

function links(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isSymbolicLink() ? entry.name : []));
  } catch {
    return [];
  }
}
