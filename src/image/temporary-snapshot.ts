import { randomBytes } from "node:crypto";
import type { ImageContext } from "./image-context.ts";

/** Runs a task on a new snapshot of a device, which goes afterwards: at once, or when the store is opened next after a crash. */
export async function withTemporarySnapshot<T>(
  { devices, pending }: Pick<ImageContext, "devices" | "pending">,
  origin: string,
  task: (device: string) => Promise<T>,
): Promise<T> {
  const device = randomBytes(32).toString("hex");
  return pending.during({ owner: "temporary", device }, async () => {
    await devices.create(device, origin);
    return task(device);
  });
}
