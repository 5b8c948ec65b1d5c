import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Content type of answers that tell on the way how far they are: a JSON value a line. */
export const linesType = "application/x-ndjson";

/** The lines of a stream, without their ends. What follows the last end is a line too, unless it is empty. */
export async function* readLines(stream: Readable): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.write(chunk as Buffer)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
