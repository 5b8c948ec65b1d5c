import { poolEnded } from "../../block-device/pool-process.ts";
import { mappedRunDir } from "../../block-device/mapped/mapped-process.ts";
import { errorCode } from "../../linux/system-error.ts";
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
  // I/O that is held would keep the loop device from ever being let go.
  if ((await devices.volume(place)).suspended) await devices.release(place);
  if ((await detach(devices, name, place, options)) === "in use") {
    await devices.send(place, `defer ${place.file} on`);
    devices.loop(place).detachLater();
    return "deferred";
  }
  await devices.send(place, `deactivate ${place.file}`);
  devices.loop(place).forget();
  return "removed";
}

/** A pool, or a device that has processes of its own. */
async function removeHost(
  devices: RunningDevices,
  name: string,
  place: Place,
  options: { deferred?: boolean },
): Promise<"removed" | "deferred"> {
  const done =
    place.kind === "pool" && options.deferred === true
      ? await devices.send(place, `defer ${place.host} on`)
      : await endHost(devices, name, place, options);
  if (done !== "gone") return "deferred";
  await translated(poolEnded(place.kind === "pool" ? devices.runDir : mappedRunDir(devices.runDir), place.host));
  return "removed";
}

/** "gone", or what its engine answers while it waits for its last user. */
async function endHost(
  devices: RunningDevices,
  name: string,
  place: Place,
  options: { deferred?: boolean },
): Promise<string> {
  const loop = devices.loop(place);
  // A pool with volumes stays as it is; its engine says which.
  const hasVolumes = place.kind === "pool" && (await devices.volumes(place)).length > 0;
  if (!hasVolumes && loop.announced) {
    if (await devices.isHeld(place)) await devices.release(place);
    if ((await detach(devices, name, place, options)) === "in use") {
      const answer = await devices.send(place, "defer on");
      if (answer !== "gone") loop.detachLater();
      return answer;
    }
  }
  await devices.send(place, "shutdown");
  return "gone";
}

/** Detaches the loop device. "in use", and all is as before, when somebody has it open and the removal is deferred. */
async function detach(
  devices: RunningDevices,
  name: string,
  place: Place,
  { deferred = false }: { deferred?: boolean },
): Promise<"detached" | "in use"> {
  const loop = devices.loop(place);
  if (deferred && loop.busy()) return "in use";
  try {
    await translated(loop.detach(name, { onlookers: deferred ? "count" : "wait for" }));
    return "detached";
  } catch (error) {
    if (deferred && errorCode(error) === "EBUSY") return "in use";
    throw error;
  }
}
