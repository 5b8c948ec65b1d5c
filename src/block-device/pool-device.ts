import { parsePoolTable } from "../thin/pool-table.ts";
import { Pool } from "../thin/pool.ts";
import { claimDevice } from "./claim-device.ts";
import type { EngineDevice } from "./engine-device.ts";
import type { PoolPaths } from "./pool-paths.ts";
import { PoolService } from "./pool-service.ts";

/**
 * Claims and opens a pool, for an engine to serve.
 *
 * @throws ThinError why it cannot be opened
 */
export function openPoolDevice(paths: PoolPaths, tableText: string): EngineDevice {
  const table = parsePoolTable(tableText);
  const { metadataDevice: metadataPath, dataDevice: dataPath } = table;
  claimDevice(metadataPath);
  claimDevice(dataPath);
  const pool = Pool.open({ metadataPath, dataPath, table, journalPath: paths.journal, log });
  return {
    schedule: pool,
    blockSizeBytes: table.blockSizeSectors * 512,
    service: (files, hooks) => new PoolService(pool, paths, files, hooks),
    close: () => void pool.close(),
    abandon: () => pool.abandon(),
  };
}

/** Into the pool's log file, which its processes have as standard error. */
function log(level: string, message: string): void {
  console.error(`${new Date().toISOString()} ${level}: ${message}`);
}
