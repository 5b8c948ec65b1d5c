import { toolCall } from "./thin/thin-tools.ts";

/** Runs the command, or the thin tool that is called by its own name. Each is loaded only where it is wanted. */
async function run(program: string, words: string[]): Promise<number> {
  const call = toolCall(program, words);
  if (call === undefined) return (await import("./command-line.ts")).runCommand(words);
  return (await import("./thin/run-thin-tool.ts")).runThinTool(call);
}

/** A pipe takes 64 KiB; what its reader has not made room for yet would be lost. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write("", () => resolve()));
}

const status = await run(process.argv[1], process.argv.slice(2));
await Promise.all([drained(process.stdout), drained(process.stderr)]);
// Leaves at once: nothing that a library keeps open may hold the shell's prompt back.
process.exit(status);
