import { optionTerm } from "../thin/tool-usage.ts";
import { dmsetupOptions } from "./dmsetup-options.ts";
import { dmsetupVerbs } from "./dmsetup-verbs.ts";

const width = 100;
const column = 34;

/** What `dmsetup help` prints. */
export function dmsetupUsage(): string {
  const verbs = dmsetupVerbs.map(({ name, aliases = [], operands, help, options }) => {
    const flags = options.length === 0 ? "" : `\n${wrapped(options.map((long) => `--${long}`).join(" "), 6)}`;
    return `  ${`${[name, ...aliases].join("|")} ${operands}`.trim()}\n${wrapped(help, 6)}${flags}\n`;
  });
  const options = dmsetupOptions.map((option) => {
    const term = `  ${optionTerm(option)}`;
    const text = wrapped(option.help, column);
    return `${term.length < column ? `${term.padEnd(column)}${text.trimStart()}` : `${term}\n${text}`}\n`;
  });
  return [
    "Usage: dmsetup [options] COMMAND [options] [DEVICE...]\n\nCommands:\n",
    ...verbs,
    "\nA DEVICE is a name or a path; or, where it is one, --uuid UUID, or --major MAJOR --minor MINOR.\n\nOptions:\n",
    ...options,
  ].join("");
}

/** Text in lines that begin at a column. */
function wrapped(text: string, indent: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line !== "" && indent + line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line) => `${" ".repeat(indent)}${line}`).join("\n");
}
