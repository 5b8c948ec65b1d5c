import { createInterface } from "node:readline";
import { kernelDeviceMapper } from "../../src/device-mapper/kernel/kernel-device-mapper.ts";
import { openDeviceSet, type DeviceSet } from "../../src/graph/graph.ts";

// Times Mica, as bench/peers times the others. `open` takes ROOT OPTION…

let set: DeviceSet;

const operations: Record<string, (name: string, ...more: string[]) => Promise<unknown>> = {
  open: async (root, ...storageOptions) => {
    // The others' pools do not grow by themselves.
    const autogrow = { enabled: false };
    set = await openDeviceSet({ root, storageOptions, deviceMapper: kernelDeviceMapper(), autogrow });
  },
  base: () => set.create("image"),
  create: (name) => set.create(name, "image"),
  mount: (name) => set.get(name),
  unmount: (name) => set.put(name),
  remove: (name) => set.remove(name),
  close: () => set.shutdown(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [operation, name = "", ...more] = line.split(" ");
  const start = process.hrtime.bigint();
  try {
    await operations[operation](name, ...more);
    console.log(String(process.hrtime.bigint() - start));
  } catch (error) {
    console.log(`error ${String(error)}`);
  }
}
