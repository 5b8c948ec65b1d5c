import { askOf, designate, isDesignatedByOption } from "../designate.ts";
import { DmsetupFailure } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";

/** `dmsetup setgeometry` */
export async function run(session: Session): Promise<void> {
  const { operands } = session;
  const [word, ...geometry] =
    isDesignatedByOption(session) && operands.length === 4 ? [undefined, ...operands] : operands;
  const [cylinders, heads, sectors, start] = geometry.map(Number);
  const device = await designate(session, word);
  await askOf(session, "setgeometry", device, async (devices, name) => {
    if (devices.setGeometry === undefined) {
      throw new DmsetupFailure("Cannot set a geometry: devices of the user-space device mapper have none.");
    }
    await devices.setGeometry(name, { cylinders, heads, sectors, start });
  });
}
