import { readFileSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { errorCode } from "../../linux/system-error.ts";
import { parseAutogrow, type AutogrowSettings } from "../growth/autogrow-policy.ts";
import { GraphError } from "../graph-error.ts";
import type { GraphOptions } from "../graph-options.ts";
import { parseStorageOptions } from "./parse-storage-options.ts";
import { registriesSchema, registrySchema, type RegistriesSettings } from "./registries-table.ts";
import { containerdSchema, daemonSchema, type ContainerdTable, type DaemonTable } from "./service-tables.ts";

/** What a configuration file says; what it leaves out is undefined. */
export type Configuration = Pick<GraphOptions, "deviceMapper" | "storageOptions" | "autogrow"> & {
  root?: string;
  /** The daemon's services and log. */
  daemon?: DaemonTable;
  /** How the daemon's containerd snapshotter works. */
  containerd?: ContainerdTable;
  /** How registries are spoken with. */
  registries?: RegistriesSettings;
};

const text = v.string("it has to be a text in quotes");
const setting = (help: string) => v.exactOptional(v.pipe(text, v.description(help)));
const autogrowSchema = v.strictObject({
  enabled: v.exactOptional(
    v.pipe(
      v.boolean("it has to be true or false"),
      v.description("whether it grows by itself (default: on loopback files, `true`; on block devices, `false`)"),
    ),
  ),
  threshold: setting("how full the data may be, `50%` to `99%` (default: `80%`)"),
  step: setting("how much is added then: a share of what there is, or a size (default: `20%`)"),
  ceiling: setting("how large the data becomes at most, such as `500G` (default: `none`)"),
  "metadata-threshold": setting("the same as `threshold`, of the metadata"),
  "metadata-step": setting("the same as `step`, of the metadata"),
  "metadata-ceiling": setting("the same as `ceiling`, of the metadata"),
});

/** The whole file. What its keys mean is with them: the manual page is made from it. */
export const configurationSchema = v.strictObject({
  root: v.exactOptional(
    v.pipe(text, v.startsWith("/", "it has to be an absolute path"), v.description("the graph's folder: `--root`")),
  ),
  "device-mapper": v.exactOptional(
    v.pipe(
      v.picklist(["kernel", "userspace"], 'it has to be "kernel" or "userspace"'),
      v.description("`kernel` or `userspace`: `--device-mapper`"),
    ),
  ),
  "storage-opts": v.exactOptional(
    v.pipe(
      v.array(text, 'it has to be a list of texts, such as ["dm.basesize=20G"]'),
      v.description("a list of storage options, `dm.KEY=VALUE`, which stand before those of `--storage-opt`"),
    ),
  ),
  autogrow: v.exactOptional(autogrowSchema),
  daemon: v.exactOptional(daemonSchema),
  containerd: v.exactOptional(containerdSchema),
  registries: v.exactOptional(registriesSchema),
});

/** The schemas of the tables in it; that of `registries` is each registry's. */
export const configurationTables = {
  autogrow: autogrowSchema,
  daemon: daemonSchema,
  containerd: containerdSchema,
  registries: registrySchema,
};

/**
 * Reads a configuration file (TOML).
 *
 * @returns undefined when there is none
 * @throws GraphError EINVAL, naming file, key and what is allowed
 */
export function readConfigFile(path: string): Configuration | undefined {
  const source = contents(path);
  if (source === undefined) return undefined;
  const result = v.safeParse(configurationSchema, parseToml(path, source));
  if (!result.success) {
    const issue = result.issues[0];
    const key = v.getDotPath(issue) ?? "";
    if (issue.type !== "strict_object" || issue.expected !== "never") throw invalid(path, `${key}: ${issue.message}`);
    throw invalid(path, `unknown key ${key}. There are ${Object.keys(tableOf(key).entries).join(", ")}`);
  }
  const { "device-mapper": deviceMapper, "storage-opts": storageOptions, autogrow, ...rest } = result.output;
  if (storageOptions !== undefined) checkStorageOptions(path, storageOptions);
  return {
    ...rest,
    ...(deviceMapper === undefined ? {} : { deviceMapper }),
    ...(storageOptions === undefined ? {} : { storageOptions }),
    ...(autogrow === undefined ? {} : { autogrow: autogrowSettings(path, autogrow) }),
  };
}

/** The schema that a key, such as "daemon.api", was looked for in. */
function tableOf(key: string): { entries: object } {
  return Object.entries(configurationTables).find(([name]) => key.startsWith(`${name}.`))?.[1] ?? configurationSchema;
}

function autogrowSettings(path: string, table: v.InferOutput<typeof autogrowSchema>): AutogrowSettings {
  const camelCase = (key: string): string => key.replace(/-./, (found) => found[1].toUpperCase());
  const settings: AutogrowSettings = Object.fromEntries(
    Object.entries(table).map(([key, value]) => [camelCase(key), value]),
  );
  try {
    parseAutogrow(settings, false);
  } catch (error) {
    throw invalid(path, error instanceof Error ? error.message : String(error));
  }
  return settings;
}

function contents(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw invalid(path, error instanceof Error ? error.message : String(error));
  }
}

function parseToml(path: string, source: string): unknown {
  try {
    return parse(source);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw invalid(path, `line ${error.line}: ${error.message.split("\n")[0].replace(/^Invalid TOML document: /, "")}`);
  }
}

function checkStorageOptions(path: string, options: string[]): void {
  try {
    parseStorageOptions(options);
  } catch (error) {
    throw invalid(path, `storage-opts: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function invalid(path: string, why: string): GraphError {
  return new GraphError("EINVAL", `Cannot read the configuration '${path}': ${why}`);
}
