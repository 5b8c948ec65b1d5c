import { activateDevice, deactivateDevice } from "./activation.ts";
import type { DeviceMetadata } from "../files/device-metadata.ts";
import { baseId } from "./device-names.ts";
import { readFileSystem, type FileSystemFacts } from "./file-system-superblock.ts";
import { makeFormattedDevice, removeIncomplete, type FormattingParts } from "./formatted-device.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import type { MountedDevices } from "./mounted-devices.ts";
import { humanSize } from "../options/size.ts";
import { storeGrownSizes } from "../options/stored-options.ts";

/** What it takes to work on the base device. */
export interface BaseDeviceParts extends FormattingParts {
  mounted: MountedDevices;
}

/**
 * Makes the base device, the empty file system that every layer without a parent begins as; or verifies the one there is, and grows
 * it if dm.basesize was given larger.
 *
 * @throws GraphError EFOREIGN when the pool's base is not the one that was made; EINVAL for a smaller dm.basesize
 */
export async function ensureBaseDevice(parts: BaseDeviceParts): Promise<void> {
  const { context } = parts;
  await context.locks.device(baseId, async () => {
    const existing = context.store.device(baseId);
    if (existing?.initialized === true) {
      await verifyBase(parts, existing);
      return;
    }
    await removeIncomplete(parts, baseId);
    await makeBase(parts);
  });
}

async function makeBase(parts: BaseDeviceParts): Promise<void> {
  const { context } = parts;
  const { baseSizeBytes, fileSystem, mkfsArguments } = context.options;
  const { metadata, facts } = await makeFormattedDevice(parts, baseId, {
    sizeBytes: baseSizeBytes,
    fileSystem,
    mkfsArguments,
    contents: "as made",
  });
  await context.locks.change(() => {
    context.store.writeDeviceSet({
      nextDeviceId: context.store.deviceSet()?.nextDeviceId ?? metadata.deviceId,
      baseDeviceUuid: facts.uuid,
      baseDeviceFileSystem: facts.type,
    });
    context.store.writeDevice(baseId, { ...metadata, initialized: true });
    return Promise.resolve();
  });
  context.log("debug", `the base device is made: ${humanSize(metadata.sizeBytes)} of ${facts.type}, ${facts.uuid}`);
}

async function verifyBase(parts: BaseDeviceParts, metadata: DeviceMetadata): Promise<void> {
  const { context } = parts;
  const { options, log } = context;
  refuseSmaller(context, metadata);
  const facts = await readBase(context, metadata);
  await rememberBase(context, facts);
  if (options.given.has("fs") && options.fileSystem !== facts.type) {
    log(
      "warn",
      `dm.fs=${options.fileSystem} has no effect: the base device of '${context.root}' has ${facts.type}, and keeps it`,
    );
  }
  if (!options.given.has("basesize")) return;
  const wantedBytes = options.baseSizeBytes - (options.baseSizeBytes % 512);
  if (wantedBytes === metadata.sizeBytes && facts.sizeBytes + 2 ** 20 >= metadata.sizeBytes) return;
  const grown = { ...metadata, sizeBytes: wantedBytes };
  // The wish first, then the device: a crash in between leaves a device smaller than dm.basesize, or a file system smaller than its device,
  // which the next start finds and grows.
  await context.locks.change(() => {
    storeGrownSizes(context.root, { basesize: wantedBytes });
    context.store.writeDevice(baseId, grown);
    return Promise.resolve();
  });
  await parts.mounted.grow(baseId, grown, facts.type);
  log("info", `the base device has grown to ${humanSize(wantedBytes)}; images made from now on have that size`);
}

function refuseSmaller(context: GraphContext, metadata: DeviceMetadata): void {
  const { options } = context;
  if (!options.given.has("basesize") || options.baseSizeBytes >= metadata.sizeBytes - 512) return;
  throw new GraphError(
    "EINVAL",
    `Cannot use dm.basesize with ${humanSize(options.baseSizeBytes)}: the base device of '${context.root}' has ${humanSize(metadata.sizeBytes)}, ` +
      "and a device cannot shrink. Give that or more, or leave the option out",
  );
}

async function readBase(context: GraphContext, metadata: DeviceMetadata): Promise<FileSystemFacts> {
  const device = await activateDevice(context, baseId, metadata);
  try {
    const facts = readFileSystem(device);
    if (facts !== undefined) return facts;
  } finally {
    await deactivateDevice(context, baseId, "retry");
  }
  throw new GraphError(
    "EFOREIGN",
    `Cannot start '${context.root}': its base device holds no ext4 or XFS file system. The pool is another one, or was emptied`,
  );
}

async function rememberBase(context: GraphContext, facts: FileSystemFacts): Promise<void> {
  const stored = context.store.deviceSet();
  const uuid = stored?.baseDeviceUuid ?? "";
  if (uuid !== "" && uuid !== facts.uuid) {
    throw new GraphError(
      "EFOREIGN",
      `Cannot start '${context.root}': its base device has UUID ${uuid}, but the pool's has ${facts.uuid}. Another pool is in use: give the graph its own back`,
    );
  }
  if (uuid !== "" && stored?.baseDeviceFileSystem !== "") return;
  await context.locks.change(() => {
    context.store.writeDeviceSet({
      nextDeviceId: stored?.nextDeviceId ?? 0,
      baseDeviceUuid: facts.uuid,
      baseDeviceFileSystem: facts.type,
    });
    return Promise.resolve();
  });
}
