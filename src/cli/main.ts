import { toolCall } from "./thin/thin-tools.ts";

/** Runs the command, or the thin tool that is called by its own name. Each is loaded only where it is wanted. */
async function run(program: string, words: string[]): Promise<number> {
  const call = toolCall(program, words);
  if (call === undefined) return (await import("./command-line.ts")).runCommand(words);
  return (await import("./thin/run-thin-tool.ts")).runThinTool(call);
}

// Leaves at once: nothing that a library keeps open may hold the shell's prompt back. Writes to stdout are done by now,
// as Node writes to files, terminals and pipes synchronously on Linux.
process.exit(await run(process.argv[1], process.argv.slice(2)));
