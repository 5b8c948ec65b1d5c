import { CommanderError } from "commander";
import { commandNames } from "./command-list.ts";
import { exitStatus } from "./exit-status.ts";
import { interruption } from "./interruption.ts";
import { buildProgram } from "./program.ts";
import { reportFailure } from "./report-failure.ts";
import { UsageError } from "./usage-error.ts";

/** Runs one command line, with an eye on signals, and returns its exit status. */
export async function runCommand(words: string[]): Promise<number> {
  interruption.listen();
  const program = buildProgram();
  if (words.length === 0) words = ["--help"];
  if (words[0] === "help") words = [...words.slice(1), "--help"];
  try {
    await program.parseAsync(words, { from: "user" });
    await outputWritten();
    return interruption.status ?? Number(process.exitCode ?? exitStatus.success);
  } catch (error) {
    if (interruption.status !== undefined) return interruption.status;
    if (error instanceof CommanderError && error.exitCode === 0) return exitStatus.success;
    return reportFailure(
      error instanceof CommanderError ? asUsageError(error, program.args) : error,
      asksForJson(words),
    );
  }
}

/** A full disk or a closed pipe shows a moment after the write. */
async function outputWritten(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  const error = interruption.outputError;
  if (error !== undefined) throw new Error(`Cannot write the output: ${error.message}`, { cause: error });
}

/** Commander's message in our words, and where to read on. */
function asUsageError(error: CommanderError, words: readonly string[]): UsageError {
  const known = commandNames();
  const name = [words.slice(0, 2).join(" "), words[0]].find((candidate) => known.includes(candidate));
  // What commander throws when a group is called without a command.
  const message = error.code === "commander.help" ? "missing command" : error.message.replace(/^error: /, "");
  return new UsageError(`${message}
See \`mica ${name === undefined ? "" : `${name} `}--help\`.`);
}

/** Known even when the line could not be parsed. */
function asksForJson(words: string[]): boolean {
  return words.some(
    (word, index) =>
      word === "--json" || word === "--format=json" || (word === "--format" && words[index + 1] === "json"),
  );
}
