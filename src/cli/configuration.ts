import { existsSync } from "node:fs";
import type { Command } from "commander";
import { UsageError } from "./usage-error.ts";

/** Read where there is one and nobody names another. */
export const defaultConfigFile = "/etc/mica/config.toml";

/**
 * Puts what the configuration says in the place of global options that are not given: a flag wins over the environment, that over the
 * configuration. Its storage options stand before those of the line, which win too. Loads its parser only where there is a file.
 */
export async function applyConfiguration(program: Command): Promise<void> {
  const named = program.getOptionValue("config") as string | undefined;
  const file = named ?? defaultConfigFile;
  if (!existsSync(file)) {
    if (named === undefined) return;
    throw new UsageError(`Cannot read the configuration '${file}': there is no such file`);
  }
  const { readConfigFile } = await import("../graph/options/config-file.ts");
  const configuration = readConfigFile(file) ?? {};
  const { root, deviceMapper, storageOptions = [] } = configuration;
  const fill = (option: string, value: unknown): void => {
    if (value !== undefined && program.getOptionValue(option) === undefined) {
      program.setOptionValueWithSource(option, value, "config");
    }
  };
  fill("root", root);
  fill("deviceMapper", deviceMapper);
  // These have no options: the graph's own way to grow is a command, `mica pool autogrow`, registries are many, and the others are for
  // the daemon alone.
  fill("autogrow", configuration.autogrow);
  fill("registries", configuration.registries);
  fill("daemon", configuration.daemon);
  fill("snapshotter", configuration.containerd);
  const given = program.getOptionValue("storageOpt") as string[];
  program.setOptionValueWithSource("storageOpt", [...storageOptions, ...given], "config");
}
