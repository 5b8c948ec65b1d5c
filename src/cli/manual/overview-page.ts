import { storageOptionHelp, type StorageOptionHelp } from "../../graph/options/storage-option-help.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { exitStatusHelp } from "../exit-status.ts";
import { commandEntry, commandsOf, exampleLines, optionEntry } from "./command-page.ts";
import { overview } from "./overview.ts";
import { bold, entry, head, italic, prose, references, section } from "./roff.ts";
import { asSentence } from "./sentence.ts";

/** mica(1). @param tools names of the programs with pages of their own in section 8 */
export function overviewPage(program: DocumentedCommand, tools: readonly string[]): string {
  const { summary, description, deviceMappers, environment, files, examples, dmsetup, thinTools, storageOptions } =
    overview;
  const toolPages = tools.map((tool) => `${tool}(8)`);
  const lines = [
    ...head("mica", 1, summary, "src/cli"),
    ...section("SYNOPSIS", [`${bold("mica")} [${italic("OPTIONS")}] ${italic("COMMAND")} [${italic("ARGUMENTS")}]`]),
    ...section("DESCRIPTION", paragraphs(description)),
    ...section(
      "OPTIONS",
      program.options.flatMap((option) => optionEntry(program, option)),
    ),
    ...entry(bold("-h, --help"), prose("Explain mica or, after a command, that command.")),
    ...section("COMMANDS", commands(program)),
    ...[".SS dmsetup", prose(dmsetup), ".PP", ...references(["mica-dmsetup(8)"])],
    ...[".SS The thin tools", prose(thinTools), ".PP", ...references(toolPages)],
    ...section("STORAGE OPTIONS", [prose(storageOptions), ...storage()]),
    ...section("DEVICE MAPPERS", paragraphs(deviceMappers)),
    ...section("EXIT STATUS", list(exitStatusHelp)),
    ...section("ENVIRONMENT", list(environment)),
    ...section("FILES", list(files)),
    ...section("EXAMPLES", exampleLines(examples)),
    ...section("SEE ALSO", references(["mica-config(5)", "mica-dmsetup(8)", ...toolPages, "losetup(8)", "skopeo(1)"])),
  ];
  return `${lines.join("\n")}\n`;
}

/** A storage option's default, and what it is, for who has its name already. */
export function storageOptionText({ defaultValue, help }: StorageOptionHelp): string {
  const text = asSentence(help.replace(/^… /, ""));
  return defaultValue === undefined ? text : `Default: ${defaultValue}. ${text}`;
}

/** Every command that does something, by its heading; a group's own commands after it. */
function commands(program: DocumentedCommand): string[] {
  const all = commandsOf(program);
  const headings = [...new Set(all.map((command) => command.helpGroup()))];
  return headings.flatMap((heading) => [
    `.SS ${heading.replace(/:$/, "")}`,
    ...all
      .filter((command) => command.helpGroup() === heading)
      .flatMap((command) => [command, ...commandsOf(command)].flatMap(commandEntry)),
  ]);
}

function storage(): string[] {
  return Object.entries(storageOptionHelp).flatMap(([heading, options]) => [
    `.SS ${heading}`,
    ...options.flatMap((option) =>
      entry(option.keys.map((key) => bold(`dm.${key}`)).join(", "), prose(storageOptionText(option))),
    ),
  ]);
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, index) => [...(index === 0 ? [] : [".PP"]), prose(text)]);
}

function list(entries: Readonly<Record<string, string>>): string[] {
  return Object.entries(entries).flatMap(([term, text]) => entry(bold(term), prose(asSentence(text))));
}
