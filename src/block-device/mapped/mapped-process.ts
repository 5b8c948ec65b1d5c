import { join } from "node:path";
import { formatMappedTable, parseMappedTable } from "../../mapping/mapped-table.ts";
import { poolNames, startDevice } from "../pool-process.ts";

/**
 * The run folder of mapped devices that have processes of their own, within that of pools. Everything that takes a pool's run folder and name takes this
 * folder and a mapped device's name: `poolPaths`, `ControlClient`, `ensurePool`, `poolEnded`.
 */
export function mappedRunDir(runDir: string): string {
  // No device's name begins with a dot.
  return join(runDir, ".mapped");
}

/**
 * Starts the processes of a device of linear, striped, zero and error segments and returns when it serves: as the file `mount/NAME` of its folder, for a loop
 * device to be attached to. Its control messages are `MappedService`'s.
 *
 * @param runDir of the pools: the device's folder is in `mappedRunDir(runDir)`
 * @param table a line a segment, as dmsetup takes it
 * @throws MappingError EINVAL for a table that is none; ControlError EEXIST, or whatever kept its devices from being opened: EBUSY, ENOENT, EINVAL, ELOOP
 */
export async function startMappedDevice(
  runDir: string,
  name: string,
  table: string,
  options: { readOnly?: boolean } = {},
): Promise<void> {
  const { segments, readOnly } = parseMappedTable(table);
  const wanted = { segments, readOnly: readOnly || options.readOnly === true };
  await startDevice(mappedRunDir(runDir), name, { kind: "mapped device", table: formatMappedTable(wanted) });
}

/** Names of the mapped devices that run, or should. */
export function mappedDeviceNames(runDir: string): string[] {
  return poolNames(mappedRunDir(runDir));
}
