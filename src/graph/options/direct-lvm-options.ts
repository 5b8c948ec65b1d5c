import { GraphError } from "../graph-error.ts";
import { optionValues } from "./option-values.ts";

/** The options that set up LVM on a whole device. */
export interface DirectLvmOptions {
  /** dm.directlvm_device */
  device: string;
  /** dm.directlvm_device_force */
  force: boolean;
  /** dm.thinp_percent, of the device for data. */
  dataPercent: number;
  /** dm.thinp_metapercent */
  metadataPercent: number;
  /** dm.thinp_autoextend_threshold, per cent used. */
  autoextendThreshold: number;
  /** dm.thinp_autoextend_percent */
  autoextendPercent: number;
}

const keys = [
  "directlvm_device",
  "directlvm_device_force",
  "thinp_percent",
  "thinp_metapercent",
  "thinp_autoextend_threshold",
  "thinp_autoextend_percent",
];

/**
 * Reads the direct-lvm options.
 *
 * @param given the last value of each option, by key without `dm.`
 * @returns undefined when none was given
 */
export function directLvmOptions(given: ReadonlyMap<string, string>): DirectLvmOptions | undefined {
  if (!keys.some((key) => given.has(key))) return undefined;
  const share = (key: string, otherwise: number, most: number) => {
    const value = given.get(key);
    return value === undefined ? otherwise : optionValues.integer({ least: 0, most })(`dm.${key}`, value);
  };
  const force = given.get("directlvm_device_force");
  const options: DirectLvmOptions = {
    device: given.get("directlvm_device") ?? "",
    force: force !== undefined && optionValues.boolean("dm.directlvm_device_force", force),
    dataPercent: share("thinp_percent", 95, 99),
    metadataPercent: share("thinp_metapercent", 1, 99),
    autoextendThreshold: share("thinp_autoextend_threshold", 80, 100),
    autoextendPercent: share("thinp_autoextend_percent", 20, 100),
  };
  if (options.device === "") {
    throw new GraphError("EINVAL", "Cannot set up direct-lvm: dm.directlvm_device has to name the block device for it");
  }
  if (given.has("thinp_percent") !== given.has("thinp_metapercent")) {
    throw new GraphError("EINVAL", "Cannot use dm.thinp_percent or dm.thinp_metapercent alone: give both, or neither");
  }
  if (options.dataPercent + options.metadataPercent > 100) {
    throw new GraphError(
      "EINVAL",
      "Cannot use dm.thinp_percent and dm.thinp_metapercent: together they are more than 100",
    );
  }
  return options;
}
