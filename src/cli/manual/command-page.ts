import type { Argument, Command, Option } from "commander";
import { DocumentedCommand, type Example } from "../documented-command.ts";
import { bold, entry, head, italic, literal, prose, references, section } from "./roff.ts";
import { asSentence } from "./sentence.ts";

/** A command's whole name: "adopt inspect". */
export function fullName(command: Command): string {
  const { parent } = command;
  return parent?.parent == null ? command.name() : `${fullName(parent)} ${command.name()}`;
}

/** What a command's page is called: "mica-adopt-inspect". */
export function pageName(command: Command): string {
  return `mica-${fullName(command).replaceAll(" ", "-")}`;
}

/** The commands of a program or a group, without help. */
export function commandsOf(group: Command): DocumentedCommand[] {
  return group.commands.filter((command) => command instanceof DocumentedCommand);
}

/** A command's manual page. @param command completed, as its commands are */
export function commandPage(command: DocumentedCommand): string {
  const commands = commandsOf(command);
  const own = command.options;
  const names = [
    ...command.registeredArguments.map((argument) => argument.name().toUpperCase()),
    ...own.flatMap((option) => valueOf(option) ?? []),
  ];
  const paragraphs = [command.description(), ...command.manualParagraphs];
  const lines = [
    ...head(pageName(command), 1, command.summary(), "src/cli/commands"),
    ...section("SYNOPSIS", [synopsis(command)]),
    ...section(
      "DESCRIPTION",
      paragraphs.flatMap((paragraph, index) => [...(index === 0 ? [] : [".PP"]), prose(paragraph, names)]),
    ),
    ...command.registeredArguments.flatMap((argument) =>
      entry(italic(argument.name().toUpperCase()), prose(asSentence(argument.description), names)),
    ),
    ...section(
      "COMMANDS",
      commands.flatMap((one) => commandEntry(one)),
    ),
    ...section("OPTIONS", [
      ...own.flatMap((option) => optionEntry(command, option, names)),
      ...(own.length === 0 ? [] : [".PP"]),
      `${own.length === 0 ? "This command takes" : "It also takes"} the global options of`,
      ".BR mica (1).",
    ]),
    ...section("EXIT STATUS", [
      "0 if it is done, 1 if it failed, 2 if the command line makes no sense; for others see",
      ".BR mica (1).",
    ]),
    ...section("EXAMPLES", exampleLines(command.exampleLines)),
    ...section("SEE ALSO", references(["mica(1)", ...relatives(command), ...command.references])),
  ];
  return `${lines.join("\n")}\n`;
}

/** A command in the list of its group. */
export function commandEntry(command: Command): string[] {
  return entry(`.BR ${literal(pageName(command))} (1)`, prose(asSentence(command.summary())));
}

/** An option as the page of its command lists it. @param names see `prose` */
export function optionEntry(command: Command, option: Option, names: readonly string[] = []): string[] {
  return entry(optionTerm(option), prose(asSentence(command.createHelp().optionDescription(option)), names));
}

/** Command lines, and what they are for. */
export function exampleLines(examples: readonly Example[]): string[] {
  return examples.flatMap(([commandLine, purpose], index) =>
    purpose === ""
      ? [...(index === 0 ? [] : [".PP"]), bold(commandLine)]
      : entry(bold(commandLine), prose(asSentence(purpose))),
  );
}

function synopsis(command: DocumentedCommand): string {
  const inGroup = commandsOf(command).length > 0;
  const words = [
    bold(`mica ${fullName(command)}`),
    `[${italic("OPTIONS")}]`,
    ...command.options.filter(({ mandatory }) => mandatory).map(optionTerm),
    ...(inGroup ? [italic("COMMAND")] : command.registeredArguments.map(argumentTerm)),
  ];
  return words.join(" ");
}

function argumentTerm(argument: Argument): string {
  const name = `${italic(argument.name().toUpperCase())}${argument.variadic ? "..." : ""}`;
  return argument.required ? name : `[${name}]`;
}

/** An option as it is written: "-o, --output FILE". */
function optionTerm(option: Option): string {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  const value = valueOf(option);
  return names.map(bold).join(", ") + (value === undefined ? "" : ` ${italic(value)}`);
}

/** What an option's value is called: "FILE". */
function valueOf({ flags }: Option): string | undefined {
  return /<([^>]+)>/.exec(flags)?.[1].toUpperCase();
}

/** The other commands of its kind, and the group that it is in. */
function relatives(command: DocumentedCommand): string[] {
  const group = command.parent!;
  const beside = commandsOf(group).filter((other) => other !== command && other.helpGroup() === command.helpGroup());
  const above = group.parent === null ? [] : [group];
  return [...above, ...commandsOf(command), ...beside].map((other) => `${pageName(other)}(1)`);
}
