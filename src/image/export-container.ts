import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { packTree } from "../layer/pack.ts";
import { findContainer } from "./find-container.ts";
import type { ImageContext } from "./image-context.ts";
import { withMounted } from "./mounted-pair.ts";
import { withTemporarySnapshot } from "./temporary-snapshot.ts";
import type { LongOptions } from "./types.ts";

/** Writes a container's file tree as a tar. Of one that is mounted, or is a snapshot itself, a snapshot is read: it goes on, or stays as it is. */
export async function exportContainer(
  context: ImageContext,
  container: string,
  writable: Writable,
  options: LongOptions,
): Promise<void> {
  const { devices, files } = context;
  const { device: origin, snapshot } = findContainer(files, container);
  const write = (device: string): Promise<void> =>
    withMounted(devices, device, (root) =>
      pipeline(packTree(root), writable, options.signal === undefined ? {} : { signal: options.signal }),
    );
  const isAtRest = snapshot === undefined && (await devices.device(origin))?.mountPoint === undefined;
  await (isAtRest ? write(origin) : withTemporarySnapshot(context, origin, write));
}
