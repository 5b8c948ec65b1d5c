import { commonOptions, type ThinTool, type ToolOption } from "./thin-tool.ts";

const optionColumn = 34;

/** What `--help` prints. */
export function toolUsage(tool: ThinTool): string {
  const options = [...tool.options, ...commonOptions].map(optionLine).join("");
  const notes = (tool.notes ?? []).map((note) => `\n${note}\n`).join("");
  return `Usage: ${tool.name} [options] ${tool.operands}\n\nOptions:\n${options}${notes}`;
}

function optionLine(option: ToolOption): string {
  const name = `  ${optionTerm(option)}`;
  const gap = name.length < optionColumn ? " ".repeat(optionColumn - name.length) : `\n${" ".repeat(optionColumn)}`;
  return `${name}${gap}${option.help}\n`;
}

/** An option as it is written: "-f, --format FORMAT". */
export function optionTerm({ long, short, argument, value }: ToolOption): string {
  const names = [...Array.from(short ?? "", (letter) => `-${letter}`), `--${long}`].join(", ");
  if (argument === "required") return `${names} ${value ?? "VALUE"}`;
  return argument === "optional" ? `${names}[=${value ?? "VALUE"}]` : names;
}
