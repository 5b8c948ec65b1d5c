import { type MappedTable, parseMappedTable } from "../../mapping/mapped-table.ts";
import { describe } from "../control-message.ts";
import { type EngineDevice, nothingDue } from "../engine-device.ts";
import type { PoolPaths } from "../pool-paths.ts";
import { MappedService } from "./mapped-service.ts";
import { failedMapping, type Mapping, openMapping } from "./open-mapping.ts";

/**
 * Opens a mapped device, for an engine to serve.
 *
 * @param whenRefused what is to be done with a table that cannot be served: "fail its I/O" for a device that is in use, which another table may help
 * @throws MappingError why it cannot be opened
 */
export function openMappedDevice(
  paths: PoolPaths,
  tableText: string,
  whenRefused: "throw" | "fail its I/O",
): EngineDevice {
  const mapping = open(parseMappedTable(tableText), paths, whenRefused);
  return {
    schedule: nothingDue,
    blockSizeBytes: mapping.discardBytes,
    service: (files, hooks) => new MappedService(mapping, paths, files, hooks),
    // Nobody is left to flush for: what was written and not flushed may be lost, as on any disk.
    close: () => undefined,
    abandon: () => undefined,
  };
}

function open(table: MappedTable, paths: PoolPaths, whenRefused: "throw" | "fail its I/O"): Mapping {
  try {
    return openMapping(table, paths.folder);
  } catch (error) {
    if (whenRefused === "throw") throw error;
    console.error(`${new Date().toISOString()} error: every transfer fails: ${describe(error).message}`);
    return failedMapping(table);
  }
}
