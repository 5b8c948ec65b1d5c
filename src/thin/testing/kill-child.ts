import { writeSync } from "node:fs";
import { parsePoolTable } from "../pool-table.ts";
import { Pool } from "../pool.ts";
import { PoolModel } from "./pool-model.ts";
import { Random } from "./random.ts";
import { applyToModel, execute, Workload } from "./workload.ts";

// A process to be killed: works on the pool of its arguments, and tells each operation on stdout once it is acknowledged.
// From the same seed its parent knows what the operations are.
const [metadataPath, dataPath, journalPath, line, seed, deviceBytes] = process.argv.slice(2);
const table = parsePoolTable(line);
const pool = Pool.open({ metadataPath, dataPath, journalPath, table });
const shape = { blockBytes: table.blockSizeSectors * 512, deviceBytes: Number(deviceBytes), maxDevices: 6 };
const workload = new Workload(new Random(Number(seed)), shape);
const model = new PoolModel();
for (;;) {
  const operation = workload.next(model);
  execute(pool, operation, model, shape.deviceBytes);
  applyToModel(model, operation, shape);
  writeSync(1, ".");
  if (performance.now() >= pool.nextDeadlineMs()) pool.tick();
}
