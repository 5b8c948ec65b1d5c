import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { interruption } from "./interruption.ts";

/** Whether what is typed is shown. */
export type Echo = "shown" | "hidden";

/** Asks on the terminal, on stderr, as stdout is for answers. */
export async function ask(question: string, echo: Echo): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  if (echo === "hidden") process.stderr.write(question); // what readline writes is not seen
  const lines = createInterface({
    input: process.stdin,
    output: echo === "shown" ? process.stderr : silent,
    terminal: true,
  });
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return await lines.question(question, { signal: interruption.signal });
  } finally {
    lines.close();
    if (echo === "hidden") process.stderr.write("\n");
  }
}
