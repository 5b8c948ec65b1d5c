import * as v from "valibot";
import { configurationSchema, configurationTables } from "../../graph/options/config-file.ts";
import { bold, entry, head, prose, references, section } from "./roff.ts";
import { asSentence } from "./sentence.ts";

const tableHelp: Readonly<Record<keyof typeof configurationTables, [heading: string, help: string]>> = {
  autogrow: [
    "[autogrow]",
    "How pools grow by themselves, where `mica pool autogrow` has not said it of a graph; see `mica-pool-autogrow`(1).",
  ],
  daemon: [
    "[daemon]",
    "What `mica daemon` serves, each on a unix socket of its own, which only root may connect to; a service without a path is off. See `mica-daemon`(1).",
  ],
  containerd: [
    "[containerd]",
    "The daemon's containerd snapshotter, in the names of containerd's own devmapper snapshotter.",
  ],
  registries: [
    '[registries."HOST"]',
    "A registry, such as `docker.io` or `host:5000`: a table each, the name in quotes.",
  ],
};

const example = `root = "/srv/mica"
storage-opts = ["dm.basesize=20G", "dm.fs=xfs"]

[daemon]
containerd = "/run/mica/containerd.sock"
api = "/run/mica/api.sock"

[autogrow]
ceiling = "500G"

[registries."docker.io"]
mirrors = ["mirror.example:5000", "https://cache.example/hub"]`;

/** mica-config(5), of the keys that the configuration's parser knows. */
export function configPage(): string {
  const lines = [
    ...head("mica-config", 5, "configuration of mica and its daemon", "src/graph/options"),
    ...section("SYNOPSIS", [bold("/etc/mica/config.toml")]),
    ...section("DESCRIPTION", [
      prose(
        "A file in TOML that says what the command line need not say each time. `--config` or the environment's `MICA_CONFIG` name another one. What is given as an option wins over the environment, and that over the file. Unknown keys and wrong values are refused by name. A daemon reads it when it starts.",
      ),
    ]),
    ...section("KEYS", keys(configurationSchema.entries)),
    ...Object.entries(tableHelp).flatMap(([table, [heading, help]]) =>
      section(`TABLE ${heading}`, [
        prose(help),
        ...keys(configurationTables[table as keyof typeof configurationTables].entries),
      ]),
    ),
    ...section("EXAMPLES", [".nf", ...example.split("\n").map((line) => (line === "" ? ".sp" : prose(line))), ".fi"]),
    ...section("SEE ALSO", references(["mica(1)", "mica-daemon(1)", "mica-pool-autogrow(1)"])),
  ];
  return `${lines.join("\n")}\n`;
}

type Entries = Readonly<Record<string, v.ExactOptionalSchema<v.GenericSchema, undefined>>>;

/** Those that are no tables. @throws Error where one says nothing of itself */
function keys(entries: Entries): string[] {
  return Object.entries(entries)
    .filter(([key]) => !(key in configurationTables && entries === configurationSchema.entries))
    .flatMap(([key, schema]) => {
      const help = v.getDescription(schema.wrapped);
      if (help === undefined) throw new Error(`Cannot make mica-config(5): the key '${key}' has no v.description`);
      return entry(bold(key), prose(asSentence(help)));
    });
}
