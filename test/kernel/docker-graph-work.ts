import assert from "node:assert/strict";
import { readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kernelDeviceMapper, openGraph } from "../../src/index.ts";

// What a user of the library does on a graph that Docker made: runs inside User-mode Linux, between two of dockerd's lives.
// Arguments: the graph, its options, the device of an image's top layer, and a container's.
const [, , root, options, layer, container] = process.argv;

await using graph = await openGraph({
  root,
  deviceMapper: kernelDeviceMapper(),
  storageOptions: options.split(" "),
  log: (level, message) => {
    if (level === "warn" || level === "error") throw new Error(message);
  },
});
const { devices } = graph;

await devices.create("mica-gone", layer);
writeFileSync(join(await devices.get("mica-gone"), "etc/name"), "changed in a snapshot\n");
await devices.create("mica-kept", "mica-gone", { sizeBytes: 480 * 2 ** 20 });
const kept = await devices.get("mica-kept");
assert.equal(readFileSync(join(kept, "etc/name"), "utf8"), "changed in a snapshot\n");
assert.ok(statfsSync(kept).blocks * statfsSync(kept).bsize > 400 * 2 ** 20, "its file system has grown");
writeFileSync(join(kept, "large"), Buffer.alloc(8 * 2 ** 20, "mica"));
await devices.put("mica-gone");
await devices.put("mica-kept");
await devices.remove("mica-gone");

writeFileSync(join(await devices.get(container), "made-by-mica"), "made by Mica\n");
await devices.put(container);
assert.deepEqual(await devices.check(), []);
await devices.shutdown();
