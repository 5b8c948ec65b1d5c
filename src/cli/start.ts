import { calledBy } from "./called-by.ts";
import { exitStatus } from "./exit-status.ts";
import { toolCall } from "./thin/thin-tools.ts";

/** Mica's own commands, loaded only where one is called. */
export type LoadCommands = () => Promise<{ runCommand(words: string[]): Promise<number> }>;

/** Runs the command, or dmsetup or the thin tool that is called by its own name, and ends the process. Each is loaded only where it is wanted. */
export async function start(loadCommands: LoadCommands): Promise<void> {
  // If nothing is left to wait for and yet no answer has come, that is no success.
  const unanswered = (): void => void (process.exitCode = exitStatus.failure);
  process.once("exit", unanswered);
  const status = await run(process.argv[1], process.argv.slice(2), loadCommands);
  process.removeListener("exit", unanswered);
  // Leaves at once: nothing that a library keeps open may hold the shell's prompt back.
  process.exit(status);
}

async function run(program: string, words: string[], loadCommands: LoadCommands): Promise<number> {
  const dmsetup = calledBy(program, words, (name) => name === "dmsetup");
  if (dmsetup !== undefined) return (await import("./dmsetup/run-dmsetup.ts")).runDmsetup(dmsetup.words);
  const call = toolCall(program, words);
  // A tool writes by itself, and has written when it returns.
  if (call !== undefined) return (await import("./thin/run-thin-tool.ts")).runThinTool(call);
  const status = await (await loadCommands()).runCommand(words);
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  return status;
}

/** A pipe takes 64 KiB; what its reader has not made room for yet would be lost. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write("", () => resolve()));
}
