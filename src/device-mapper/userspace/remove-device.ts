import { poolEnded } from "../../block-device/pool-process.ts";
import { mappedRunDir } from "../../block-device/mapped/mapped-process.ts";
import type { Place } from "./place.ts";
import type { RunningDevices } from "./running-devices.ts";
import { translated } from "./translated.ts";

/**
 * Ends what is served at a place, and forgets the device: a removal that is broken off can be done again.
 *
 * @throws DeviceMapperError EBUSY, and all is as before, when it is in use and that is not deferred
 */
export async function removeDevice(
  devices: RunningDevices,
  name: string,
  place: Place,
  options: { deferred?: boolean },
): Promise<void> {
  const done =
    place.kind === "volume"
      ? await removeVolume(devices, name, place, options)
      : await removeHost(devices, name, place, options);
  if (done === "removed") devices.records.remove(name);
}

/** Takes a deferred removal back. */
export async function cancelRemoval(devices: RunningDevices, place: Place): Promise<void> {
  await devices.send(place, place.kind === "mapped" ? "defer off" : `defer ${devices.fileOf(place)} off`);
  if (place.kind !== "pool") devices.loop(place).keep();
}

async function removeVolume(
  devices: RunningDevices,
  name: string,
  place: Place,
  options: { deferred?: boolean },
): Promise<"removed" | "deferred"> {
  const loop = devices.loop(place);
  // I/O that is held would keep the loop device from ever being let go.
  if ((await devices.volume(place)).suspended) await devices.release(place);
  if (options.deferred === true && loop.busy()) {
    await devices.send(place, `defer ${place.file} on`);
    loop.detachLater();
    return "deferred";
  }
  await translated(loop.detach(name));
  await devices.send(place, `deactivate ${place.file}`);
  loop.forget();
  return "removed";
}

/** A pool, or a device that has processes of its own. */
async function removeHost(
  devices: RunningDevices,
  name: string,
  place: Place,
  options: { deferred?: boolean },
): Promise<"removed" | "deferred"> {
  const loop = devices.loop(place);
  const isPool = place.kind === "pool";
  if (options.deferred === true && (isPool || loop.busy())) {
    const answer = await devices.send(place, isPool ? `defer ${place.host} on` : "defer on");
    if (answer !== "gone") {
      if (!isPool) loop.detachLater();
      return "deferred";
    }
  } else {
    // A pool with volumes stays as it is; its engine says which.
    const inUse = isPool && (await devices.volumes(place)).length > 0;
    if (!inUse && loop.announced) await detachHost(devices, name, place);
    await devices.send(place, "shutdown");
  }
  await translated(poolEnded(isPool ? devices.runDir : mappedRunDir(devices.runDir), place.host));
  return "removed";
}

async function detachHost(devices: RunningDevices, name: string, place: Place): Promise<void> {
  if (await devices.isHeld(place)) await devices.release(place);
  await translated(devices.loop(place).detach(name));
}
