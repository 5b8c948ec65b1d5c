import { directLvmOptions, type DirectLvmOptions } from "./direct-lvm-options.ts";
import { GraphError } from "../graph-error.ts";
import { invalid, optionValues } from "./option-values.ts";
import type { StorageOptions } from "./storage-options.ts";

type Draft = { -readonly [K in keyof StorageOptions]: StorageOptions[K] };
type Reader = (draft: Draft, value: string, key: string) => void;

const gibibyte = 2 ** 30;
const kibibyte = 2 ** 10;
/** Options that may be given several times; of the others the last one counts. */
const repeatable = new Set(["mkfsarg"]);

/** A value that goes into one field as it was read. */
function into<K extends keyof Draft>(field: K, read: (key: string, value: string) => Draft[K]): Reader {
  return (draft, value, key) => {
    draft[field] = read(key, value);
  };
}

/** Those of direct-lvm are read together, where all of them are known. */
function withOthers(): void {
  // nothing to do
}

/** Every option by its key without `dm.`, with how its value is read. */
const readers: Record<string, Reader> = {
  thinpooldev: into("thinPoolDevice", (key, value) => optionValues.text(key, value).replace(/^\/dev\/mapper\//, "")),
  basesize: into("baseSizeBytes", optionValues.size),
  loopdatasize: into("loopDataSizeBytes", optionValues.size),
  loopmetadatasize: into("loopMetadataSizeBytes", optionValues.size),
  fs: into("fileSystem", (key, value) => optionValues.oneOf(key, value, ["ext4", "xfs"])),
  mkfsarg: (draft, value, key) => {
    draft.mkfsArguments.push(optionValues.text(key, value));
  },
  mountopt: into("mountOptions", (_, value) => value),
  datadev: into("dataDevice", optionValues.text),
  metadatadev: into("metadataDevice", optionValues.text),
  blocksize: into("blockSizeBytes", poolBlockSize),
  blkdiscard: into("blkDiscard", optionValues.boolean),
  override_udev_sync_check: into("overrideUdevSyncCheck", optionValues.boolean),
  use_deferred_removal: into("useDeferredRemoval", optionValues.boolean),
  use_deferred_deletion: into("useDeferredDeletion", optionValues.boolean),
  min_free_space: into("minFreeSpacePercent", optionValues.percentage),
  xfs_nospace_max_retries: into("xfsNospaceMaxRetries", optionValues.integer({ least: -1, most: 2 ** 31 - 1 })),
  libdm_log_level: into("libdmLogLevel", optionValues.integer({ least: 2, most: 7 })),
  directlvm_device: (_, value, key) => {
    optionValues.text(key, value);
  },
  directlvm_device_force: withOthers,
  thinp_percent: withOthers,
  thinp_metapercent: withOthers,
  thinp_autoextend_threshold: withOthers,
  thinp_autoextend_percent: withOthers,
};

/** Every option's key, without `dm.`; what documentation says of them: see `storageOptionHelp`. */
export const storageOptionKeys: readonly string[] = Object.keys(readers);

/** The limits of dm-thin (thin-provisioning.rst): 64 KiB to 1 GiB in steps of 64 KiB. */
function poolBlockSize(key: string, value: string): number {
  const bytes = optionValues.size(key, value);
  if (bytes % (64 * kibibyte) === 0 && bytes <= gibibyte) return bytes;
  throw invalid(key, value, "a pool's blocks have 64K to 1G, in steps of 64K");
}

/**
 * Splits `dm.KEY=VALUE` texts.
 *
 * @returns all values by key without `dm.`, in lower case
 * @throws GraphError EINVAL for what is no option, by name
 */
export function splitStorageOptions(options: readonly string[]): Map<string, string[]> {
  const given = new Map<string, string[]>();
  for (const option of options) {
    const equals = option.indexOf("=");
    if (equals < 0) {
      throw new GraphError("EINVAL", `Cannot read storage option '${option}': write it as dm.KEY=VALUE`);
    }
    const name = option.slice(0, equals).trim().toLowerCase();
    const key = name.startsWith("dm.") ? name.slice(3) : "";
    if (!Object.hasOwn(readers, key)) {
      const known = storageOptionKeys.map((known) => `dm.${known}`);
      throw new GraphError("EINVAL", `Cannot use '${name}': unknown storage option. There are ${known.join(", ")}`);
    }
    const value = option.slice(equals + 1).trim();
    given.set(key, repeatable.has(key) ? [...(given.get(key) ?? []), value] : [value]);
  }
  return given;
}

/**
 * Reads and validates `dm.KEY=VALUE` texts, each by itself and all together.
 *
 * @throws GraphError EINVAL, naming the option
 */
export function parseStorageOptions(options: readonly string[]): StorageOptions {
  return storageOptionsFrom(splitStorageOptions(options));
}

/** As `parseStorageOptions`, of options split already. */
export function storageOptionsFrom(given: ReadonlyMap<string, string[]>): StorageOptions {
  const draft: Draft = {
    thinPoolDevice: undefined,
    baseSizeBytes: 10 * gibibyte,
    loopDataSizeBytes: 100 * gibibyte,
    loopMetadataSizeBytes: 2 * gibibyte,
    fileSystem: "ext4",
    mkfsArguments: [],
    mountOptions: "",
    dataDevice: undefined,
    metadataDevice: undefined,
    blockSizeBytes: 64 * kibibyte,
    blkDiscard: true,
    overrideUdevSyncCheck: false,
    useDeferredRemoval: undefined,
    useDeferredDeletion: undefined,
    minFreeSpacePercent: 10,
    xfsNospaceMaxRetries: undefined,
    libdmLogLevel: 2,
    directLvm: undefined,
    given,
  };
  for (const [key, values] of given) for (const value of values) readers[key](draft, value, `dm.${key}`);
  draft.directLvm = directLvmOptions(new Map([...given].map(([key, values]) => [key, values[values.length - 1]])));
  refuseConflicts(draft, draft.directLvm);
  if (!given.has("blkdiscard")) {
    draft.blkDiscard =
      draft.dataDevice === undefined && draft.thinPoolDevice === undefined && draft.directLvm === undefined;
  }
  return draft;
}

function refuseConflicts(options: StorageOptions, directLvm: DirectLvmOptions | undefined): void {
  const conflict = (one: string, other: string) =>
    new GraphError("EINVAL", `Cannot use ${one} together with ${other}: give one of them`);
  const ownDevice = options.dataDevice !== undefined ? "dm.datadev" : "dm.metadatadev";
  const hasOwnDevice = options.dataDevice !== undefined || options.metadataDevice !== undefined;
  if (directLvm !== undefined && options.thinPoolDevice !== undefined) {
    throw conflict("dm.directlvm_device", "dm.thinpooldev");
  }
  if (hasOwnDevice && options.thinPoolDevice !== undefined) throw conflict(ownDevice, "dm.thinpooldev");
  if (hasOwnDevice && directLvm !== undefined) throw conflict(ownDevice, "dm.directlvm_device");
  if (options.useDeferredDeletion === true && options.useDeferredRemoval === false) {
    throw new GraphError(
      "EINVAL",
      "Cannot use dm.use_deferred_deletion=true: deferred deletion needs deferred removal, and dm.use_deferred_removal is false",
    );
  }
}
