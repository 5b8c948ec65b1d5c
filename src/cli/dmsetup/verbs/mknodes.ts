import { designatedOrAll } from "../designate.ts";
import type { Session } from "../dmsetup-verb.ts";
import { ask } from "../ioctl-failure.ts";

/** `dmsetup mknodes` */
export async function run(session: Session): Promise<void> {
  const { all, devices } = await designatedOrAll(session);
  const mapper = await session.devices();
  if (all) await ask("mknodes", " ", () => mapper.makeNodes());
  else for (const { name, subject } of devices) await ask("mknodes", subject, () => mapper.makeNodes(name));
}
