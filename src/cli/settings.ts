import type { Command } from "commander";

/** The global options, as every command sees them. */
export interface Settings {
  /** The graph's folder. */
  root: string;
  /** `dm.KEY=VALUE`, in the order given. */
  storageOptions: string[];
  /** True: answers and errors are JSON. */
  json: boolean;
}

interface GlobalOptions {
  root: string;
  storageOpt: string[];
  json?: boolean;
  format?: "json" | "table";
}

/** Reads the global options, wherever on the line they stood. */
export function settingsOf(command: Command): Settings {
  const options = command.optsWithGlobals<GlobalOptions>();
  return {
    root: options.root,
    storageOptions: options.storageOpt,
    json: options.json === true || options.format === "json",
  };
}
