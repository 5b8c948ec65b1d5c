import { createInterface } from "node:readline";
import { kernelDeviceMapper } from "../../src/device-mapper/kernel/kernel-device-mapper.ts";
import { openDeviceSet, type DeviceSet } from "../../src/graph/graph.ts";

// Times Mica, as bench/peers times the others. Usage: mica-agent.mjs ROOT OPTION…

const [root, ...storageOptions] = process.argv.slice(2);
let set: DeviceSet;

const operations: Record<string, (name: string) => Promise<unknown>> = {
  open: async () => {
    set = await openDeviceSet({ root, storageOptions, deviceMapper: kernelDeviceMapper() });
  },
  base: () => set.create("image"),
  create: (name) => set.create(name, "image"),
  mount: (name) => set.get(name),
  unmount: (name) => set.put(name),
  remove: (name) => set.remove(name),
  close: () => set.shutdown(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [operation, name = ""] = line.split(" ");
  const start = process.hrtime.bigint();
  try {
    await operations[operation](name);
    console.log(String(process.hrtime.bigint() - start));
  } catch (error) {
    console.log(`error ${String(error)}`);
  }
}
