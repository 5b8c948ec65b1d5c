import { spawnSync } from "node:child_process";
import { packageFile } from "../../linux/package-root.ts";

const bold = process.stdout.isTTY ? (text: string): string => `\x1b[1m${text}\x1b[0m` : (text: string): string => text;

/** Says what comes next, in a line of its own. */
export function explain(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

/**
 * Shows a command line, runs the program, and passes its output on.
 * @returns what it printed
 * @throws when it fails
 */
export function runShown(shown: string, program: string, args: string[], environment = process.env): string {
  process.stdout.write(`${bold(`$ ${shown}`)}\n`);
  const output = runProgram(shown, program, args, environment);
  process.stdout.write(output);
  return output;
}

/** Runs `mica ARGS` on the demonstration's graph, and shows it and what it prints. */
export function mica(root: string, ...args: string[]): string {
  return runShown(["mica", "--root", root, ...args].join(" "), ...micaCommand(root, args));
}

/** Runs `mica ARGS --json` without showing it. */
export function micaAnswer(root: string, ...args: string[]): unknown {
  const text = runProgram(`mica ${args.join(" ")}`, ...micaCommand(root, ["--json", ...args]));
  return text === "" ? undefined : JSON.parse(text);
}

function micaCommand(root: string, args: string[]): [program: string, args: string[]] {
  return [process.execPath, [packageFile("dist/mica.js"), "--root", root, ...args]];
}

function runProgram(shown: string, program: string, args: string[], env = process.env): string {
  const result = spawnSync(program, args, { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8", env });
  if (result.error) throw new Error(`Cannot run \`${shown}\`: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`\`${shown}\` ended with status ${result.status ?? result.signal ?? "?"}`);
  return result.stdout;
}
