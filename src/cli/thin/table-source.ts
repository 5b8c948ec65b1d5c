import { isLoopDevice } from "../../linux/loop.ts";
import type { TableSource } from "./thin-source.ts";

/** The device mapper that a block device belongs to, if any has it: devices in user space are loop devices. */
export async function tableSourceOf(path: string): Promise<TableSource> {
  if (isLoopDevice(path)) {
    const { userspaceMappedDevices } = await import("../../device-mapper/userspace/mapped/userspace-mapped-devices.ts");
    return userspaceMappedDevices();
  }
  const { kernelMappedDevices } = await import("../../device-mapper/kernel/kernel-mapped-devices.ts");
  return kernelMappedDevices();
}
