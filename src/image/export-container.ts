import { randomBytes } from "node:crypto";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { packTree } from "../layer/pack.ts";
import { findContainer } from "./find-container.ts";
import type { ImageContext } from "./image-context.ts";
import { withMounted } from "./mounted-pair.ts";
import type { LongOptions } from "./types.ts";

/** Writes a container's file tree as a tar. Of a mounted container, a snapshot is read, so that it may go on writing. */
export async function exportContainer(
  { devices, files, pending }: ImageContext,
  container: string,
  writable: Writable,
  options: LongOptions,
): Promise<void> {
  const { device: origin } = findContainer(files, container);
  const write = (device: string): Promise<void> =>
    withMounted(devices, device, (root) =>
      pipeline(packTree(root), writable, options.signal === undefined ? {} : { signal: options.signal }),
    );
  if ((await devices.device(origin))?.mountPoint === undefined) return write(origin);
  const device = randomBytes(32).toString("hex");
  await pending.during({ owner: "temporary", device }, async () => {
    await devices.create(device, origin);
    await write(device);
  });
}
