import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A shell beside this process that runs commands one at a time. In User-mode Linux a fork costs as much as the process has
 * memory: bash has little, Node much.
 */
class Shell {
  readonly #commands: number;
  readonly #answers: number;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), "mica-shell-"));
    const [commands, answers] = [join(folder, "commands"), join(folder, "answers")];
    execFileSync("mkfifo", [commands, answers]);
    // Opened for both, neither open waits for the other end.
    this.#commands = openSync(commands, "r+");
    this.#answers = openSync(answers, "r+");
    const shell = spawn("bash", [], { stdio: [openSync(commands, "r"), this.#answers, this.#answers] });
    shell.unref();
    process.once("exit", () => shell.kill());
    rmSync(folder, { recursive: true });
  }

  run(command: string): { status: number; output: string } {
    writeSync(this.#commands, `${command}\nprintf '\\nEND %s\\n' $?\n`);
    const piece = Buffer.alloc(65536);
    let text = "";
    for (;;) {
      text += piece.toString("utf8", 0, readSync(this.#answers, piece));
      const end = /\nEND (\d+)\n$/.exec(text);
      if (end !== null) return { status: Number(end[1]), output: text.slice(0, end.index) };
    }
  }
}

let shell: Shell | undefined;

/** Runs a command line. @throws Error with what it printed, when it fails */
export function runInShell(command: string): string {
  shell ??= new Shell();
  const { status, output } = shell.run(command);
  if (status !== 0) throw new Error(`'${command}' failed (${status}): ${output}`);
  return output;
}
