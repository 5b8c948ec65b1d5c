import { commonOptions, type ThinTool, type ToolOption } from "./thin-tool.ts";
import { optionTerm } from "./tool-usage.ts";

/** A tool's manual page, section 8, in roff. It is made from what `--help` is made from. */
export function toolManual(tool: ThinTool, others: readonly string[]): string {
  const { name, summary, operands, description, options, notes = [], examples } = tool;
  const parts = [
    `.\\" Made by scripts/make-manuals.ts from src/cli/thin/tools; change it there.`,
    `.TH ${name.toUpperCase()} 8 "" "mica" "System Administration"`,
    ".SH NAME",
    `${text(name)} \\- ${text(summary)}`,
    ".SH SYNOPSIS",
    `.B mica ${name}`,
    `.RI [ options ] " ${text(operands)}"`,
    ".br",
    `.B ${name}`,
    `.RI [ options ] " ${text(operands)}"`,
    ".SH DESCRIPTION",
    ...description.flatMap((paragraph) => [".PP", text(paragraph)]),
    ".PP",
    `Called as ${text(name)}, through a symbolic link to mica, it takes the place of the tool of that name in thin\\-provisioning\\-tools.`,
    ".SH OPTIONS",
    ...[...options, ...commonOptions].flatMap(optionEntry),
    ...notes.flatMap((note) => [".PP", text(note)]),
    ".SH EXIT STATUS",
    "0 if it is done, 1 if it is not, or the line makes no sense.",
    ".SH EXAMPLES",
    ...examples.flatMap(([line, what]) => [".TP", `.B ${text(line)}`, text(what)]),
    ".SH SEE ALSO",
    ["mica (1)", ...others.filter((other) => other !== name).map((other) => `${other} (8)`)]
      .map((reference) => `.BR ${reference}`)
      .join(" ,\n"),
  ];
  return `${parts.join("\n")}\n`;
}

function optionEntry(option: ToolOption): string[] {
  return [".TP", `.B ${text(optionTerm(option))}`, text(option.help)];
}

function text(words: string): string {
  return words
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}
