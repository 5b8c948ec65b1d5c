// For tests.
import { spawn } from "node:child_process";

/** What a program did. */
export interface ProgramResult {
  status: number | null;
  output: string;
}

/** Runs a program without stopping the event loop; its output and errors together. It is killed after a minute. */
export function runProgram(program: string, ...parameters: string[]): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, output }));
  });
}
