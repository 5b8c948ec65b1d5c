import { activateDevice, deactivateDevice } from "./activation.ts";
import type { DeviceMetadata } from "../files/device-metadata.ts";
import { readFileSystem, type FileSystemFacts } from "./file-system-superblock.ts";
import { makeFileSystem, removeLostAndFound } from "./file-system.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import type { FileSystemType } from "../options/storage-options.ts";
import type { Transactions } from "../transactions/transactions.ts";

/** What an empty device is to be. */
export interface DeviceFormat {
  sizeBytes: number;
  fileSystem: FileSystemType;
  /** As dm.mkfsarg has them. */
  mkfsArguments: string[];
  /** What is in it: what mkfs makes (ext4's lost+found), or nothing. */
  contents: "as made" | "nothing";
}

/** What it takes to make devices with a file system of their own. */
export interface FormattingParts {
  context: GraphContext;
  transactions: Transactions;
}

/**
 * Makes an empty device and formats it. It is complete when its file says `initialized`, which is the caller's to write: a device that
 * a crash left without it goes with `removeIncomplete`. Only for who holds the device's lock.
 */
export async function makeFormattedDevice(
  { context, transactions }: FormattingParts,
  id: string,
  { sizeBytes, fileSystem, mkfsArguments, contents }: DeviceFormat,
): Promise<{ metadata: DeviceMetadata; facts: FileSystemFacts }> {
  const metadata = await context.locks.change(() => transactions.createThin(id, sizeBytes - (sizeBytes % 512)));
  const device = await activateDevice(context, id, metadata);
  let facts: FileSystemFacts | undefined;
  try {
    await makeFileSystem(fileSystem, device, mkfsArguments);
    if (fileSystem === "ext4" && contents === "nothing") await removeLostAndFound(device);
    facts = readFileSystem(device);
  } finally {
    await deactivateDevice(context, id, "retry");
  }
  if (facts?.type === fileSystem) return { metadata, facts };
  throw new GraphError("EIO", `Cannot make device ${id}: there is no ${fileSystem} on it after formatting`);
}

/** Removes a device that was not completed, if there is one. Only for who holds the device's lock. */
export async function removeIncomplete({ context, transactions }: FormattingParts, id: string): Promise<void> {
  const existing = context.store.device(id);
  if (existing === undefined) return;
  context.log("info", `device ${id} was not completed: making it again`);
  await deactivateDevice(context, id, "retry");
  await context.locks.change(() => transactions.delete(id, existing));
}

/** Makes a device with an empty file system, unless there is a complete one. Only for who holds the device's lock. */
export async function ensureFormattedDevice(parts: FormattingParts, id: string, format: DeviceFormat): Promise<void> {
  const { context } = parts;
  if (context.store.device(id)?.initialized === true) return;
  await removeIncomplete(parts, id);
  const { metadata } = await makeFormattedDevice(parts, id, format);
  await context.locks.change(() => {
    context.store.writeDevice(id, { ...metadata, initialized: true });
    return Promise.resolve();
  });
}
