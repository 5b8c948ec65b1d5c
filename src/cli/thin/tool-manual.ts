import { commonOptions, type ThinTool, type ToolOption } from "./thin-tool.ts";
import { exampleLines } from "../manual/command-page.ts";
import { bold, entry, head, italic, literal, prose, references, section } from "../manual/roff.ts";
import { optionTerm } from "./tool-usage.ts";

/** A tool's manual page, section 8, in roff. It is made from what `--help` is made from. */
export function toolManual(tool: ThinTool, others: readonly string[]): string {
  const { name, summary, operands, description, options, notes = [], examples } = tool;
  const synopsis = (called: string): string => `${bold(called)} [${italic("options")}] ${literal(operands)}`;
  const lines = [
    ...head(name, 8, summary, "src/cli/thin/tools"),
    ...section("SYNOPSIS", [synopsis(`mica ${name}`), ".br", synopsis(name)]),
    ...section("DESCRIPTION", [
      ...description.flatMap((paragraph) => [prose(paragraph), ".PP"]),
      `Called as ${bold(name)}, through a symbolic link to mica, it takes the place of the tool of that name in thin-provisioning-tools.`,
    ]),
    ...section("OPTIONS", [
      ...[...options, ...commonOptions].flatMap(optionEntry),
      ...notes.flatMap((note) => [".PP", prose(note)]),
    ]),
    ...section("EXIT STATUS", ["0 if it is done, 1 if it is not, or the line makes no sense."]),
    ...section("EXAMPLES", exampleLines(examples)),
    ...section(
      "SEE ALSO",
      references(["mica(1)", ...others.filter((other) => other !== name).map((other) => `${other}(8)`)]),
    ),
  ];
  return `${lines.join("\n")}\n`;
}

function optionEntry(option: ToolOption): string[] {
  return entry(bold(optionTerm(option)), prose(option.help));
}
