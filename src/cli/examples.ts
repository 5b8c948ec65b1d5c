/** The `Examples:` part of a command's help: a command line and what it is for, each. */
export function examples(...lines: (readonly [commandLine: string, purpose: string])[]): string {
  const width = Math.max(...lines.map(([commandLine]) => commandLine.length));
  const shown = lines.map(([commandLine, purpose]) => `  $ ${commandLine.padEnd(width)}  ${purpose}`.trimEnd());
  return `\nExamples:\n${shown.join("\n")}`;
}
