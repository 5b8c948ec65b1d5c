import type { Command } from "commander";
import type { AutogrowSettings, RegistriesSettings } from "../index.ts";

/** Where the graph lives when nobody says otherwise. */
export const defaultRoot = "/var/lib/mica";

/** The global options, as every command sees them. */
export interface Settings {
  /** The graph's folder. */
  root: string;
  /** `dm.KEY=VALUE`, in the order given. */
  storageOptions: string[];
  /** Which device mapper to use; undefined: see `chooseDeviceMapper`. */
  deviceMapper: "kernel" | "userspace" | undefined;
  /** How pools grow by themselves, by the configuration. */
  autogrow: AutogrowSettings;
  /** The registries' settings, by the configuration. */
  registries: RegistriesSettings;
  /** True: answers and errors are JSON. */
  json: boolean;
}

interface GlobalOptions {
  root?: string;
  storageOpt: string[];
  deviceMapper?: "kernel" | "userspace";
  autogrow?: AutogrowSettings;
  registries?: RegistriesSettings;
  json?: boolean;
  format?: "json" | "table";
}

/** Reads the global options, wherever on the line they stood. */
export function settingsOf(command: Command): Settings {
  const options = command.optsWithGlobals<GlobalOptions>();
  return {
    root: options.root ?? defaultRoot,
    storageOptions: options.storageOpt,
    deviceMapper: options.deviceMapper,
    autogrow: options.autogrow ?? {},
    registries: options.registries ?? {},
    json: options.json === true || options.format === "json",
  };
}
