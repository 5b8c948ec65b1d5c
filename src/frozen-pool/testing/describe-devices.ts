// For the tests: `describe-devices.ts METADATA DATA ID:BYTES…` describes the file trees of devices, as JSON. Run by another user.
import { describeTree, type TreeDescription } from "../../file-system/testing/describe-tree.ts";
import { FrozenPool } from "../frozen-pool.ts";
import { openTree } from "../open-tree.ts";

const [metadataPath, dataPath, ...devices] = process.argv.slice(2);
const pool = FrozenPool.open({ metadataPath, dataPath });
const described: Record<string, TreeDescription> = {};
for (const device of devices) {
  const [deviceId, sizeBytes] = device.split(":").map(Number);
  const tree = await openTree(pool, { deviceId, sizeBytes });
  described[deviceId] = describeTree(tree.top());
  await tree.close();
}
pool.close();
process.stdout.write(JSON.stringify({ uid: process.getuid?.(), described }));
