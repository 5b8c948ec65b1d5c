import { setTimeout as sleep } from "node:timers/promises";
import { printError } from "../../thin/output.ts";
import { askOf, type Designation, forEachDevice } from "../designate.ts";
import { DmsetupFailure } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";
import { tryToFailAllIo } from "../error-table.ts";
import { errorWords } from "../ioctl-failure.ts";

const retries = 25;
const pauseMilliseconds = 200;

/** `dmsetup remove` */
export async function run(session: Session): Promise<void> {
  const { line } = session;
  await forEachDevice(session, async (device) => {
    if (line.has("force")) await tryToFailAllIo(session, device);
    if (line.has("retry")) await removeAfterAWhile(session, device);
    else await removeDevice(session, device);
  });
}

function removeDevice(session: Session, device: Designation): Promise<void> {
  const deferred = session.line.has("deferred");
  return askOf(session, "remove", device, (devices, name) => devices.remove(name, { deferred }));
}

async function removeAfterAWhile(session: Session, device: Designation): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await removeDevice(session, device);
    } catch (error) {
      const busy = error instanceof DmsetupFailure && error.message.endsWith(errorWords("EBUSY"));
      if (!busy || attempt === retries) throw error;
      printError(`${error.message}\n`);
      await sleep(pauseMilliseconds);
    }
  }
}
