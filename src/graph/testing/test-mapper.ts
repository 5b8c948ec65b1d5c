import type { DeviceMapper } from "../../device-mapper/device-mapper.ts";
import { kernelDeviceMapper } from "../../device-mapper/kernel/kernel-device-mapper.ts";
import { userspaceDeviceMapper } from "../../device-mapper/userspace/userspace-device-mapper.ts";

/** The tests run in a kernel that has the thin-pool target (test/kernel). */
export const inKernel = process.env["MICA_KERNEL"] !== undefined;

/** The device mapper that the graph's tests run on: the kernel's where it is there, else the one in user space with pools in a folder. */
export function testMapper(runDir: string): DeviceMapper {
  return inKernel ? kernelDeviceMapper() : userspaceDeviceMapper({ runDir });
}

/** Calls a function before each of a device mapper's calls, with the method's name and first arguments; it may throw. */
export function interceptMapper(mapper: DeviceMapper, before: (call: string) => void): DeviceMapper {
  return new Proxy(mapper, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = value as (...parameters: unknown[]) => unknown;
      return (...parameters: unknown[]) => {
        try {
          before([name, ...parameters].filter((part) => typeof part === "string").join(" "));
        } catch (error) {
          return Promise.reject(error instanceof Error ? error : new Error(String(error)));
        }
        return method.apply(target, parameters);
      };
    },
  });
}
