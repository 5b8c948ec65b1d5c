import { Command, Option } from "commander";
import { commandGroups } from "./command-list.ts";
import type { CommandEntry } from "./command-list.ts";
import { applyConfiguration, defaultConfigFile } from "./configuration.ts";
import { DocumentedCommand } from "./documented-command.ts";
import { packageVersion } from "../linux/package-root.ts";
import { defaultRoot } from "./settings.ts";
import { thinTools } from "./thin/thin-tools.ts";

const firstSteps = `
First steps (as root):
  $ mica import app ./image.tar      an image in: an OCI layout, \`docker save\`, or a tar of files
  $ mica create app web              a container from it; takes no space until it is written to
  $ mica mount web                   prints the folder with the container's files
  $ mica diff web                    what was added (A), changed (C) and deleted (D) since
  $ mica umount web && mica rm web   done with it; its space goes back to the host
  $ mica shutdown                    nothing left mounted, attached or running

\`mica COMMAND --help\` explains a command, with examples, \`man mica\` and \`man mica-COMMAND\` at length.
Exit status: 0 done, 1 failed, 2 wrong usage.`;

/** They have their own way with arguments, so they are no commands among the others. */
const otherProgramsHelp = `
The device mapper's devices, step by step (see \`mica dmsetup --help\`):
  dmsetup

The tools of thin-provisioning-tools (see \`mica thin_check --help\`):
  ${Object.keys(thinTools)
    .join(" ")
    .replace(/(.{1,100})(?: |$)/g, "$1\n  ")
    .trimEnd()}`;

/** Builds the command line; a command's own file is loaded when that command is called. */
export function buildProgram(): DocumentedCommand {
  const program = new DocumentedCommand("mica")
    .description(
      "Thin-provisioned, copy-on-write block devices for container images, containers and microVMs. " +
        "Every image layer and container is a snapshot in one pool and shares what it has not changed.",
    )
    .usage("[options] COMMAND")
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => command.name() })
    .helpOption("-h, --help", "explain mica, or a command")
    .addHelpCommand(new Command("help").argument("[command...]").summary("explain a command").helpGroup("The graph:"))
    .version(packageVersion(), "-V, --version", "print the version")
    .addHelpText("after", `${otherProgramsHelp}\n${firstSteps}`);
  for (const option of globalOptions()) program.addOption(option);
  program.hook("preAction", applyConfiguration);

  for (const [heading, entries] of Object.entries(commandGroups)) {
    for (const command of addCommands(program, entries)) command.helpGroup(heading);
  }
  return program;
}

/** Puts commands under the program or under a group; each is completed from its own file when it is called. */
function addCommands(parent: DocumentedCommand, entries: CommandEntry[]): DocumentedCommand[] {
  return entries.map(({ signature, summary, load, commands }) => {
    const command = parent.command(signature).summary(summary);
    command.complete = async () => (await load()).configure(command);
    if (commands !== undefined) {
      // A group without a command is wrong usage, which is said in one place: see main.ts.
      command
        .usage("[options] COMMAND")
        .helpCommand(false)
        .configureOutput({ writeErr: () => undefined });
      addCommands(command, commands);
    }
    return command;
  });
}

function globalOptions(): Option[] {
  return [
    new Option("--root <dir>", `the graph's folder (default: "${defaultRoot}")`).env("MICA_ROOT"),
    new Option("--device-mapper <which>", "the kernel's, or the one in user space (default: the kernel's, if usable)")
      .choices(["kernel", "userspace"])
      .env("MICA_DEVICE_MAPPER"),
    new Option("--storage-opt <option>", "dm.KEY=VALUE, kept with the graph; repeatable")
      .argParser((value: string, previous: string[]) => [...previous, value])
      .default([], "none"),
    new Option("--config <file>", `the configuration (default: "${defaultConfigFile}", if there is one)`).env(
      "MICA_CONFIG",
    ),
    new Option("--format <format>", "how to answer").choices(["table", "json"]),
    new Option("--json", "the same as --format json"),
  ];
}
