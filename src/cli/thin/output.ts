import { writeSync } from "node:fs";
import { errorCode } from "../../linux/system-error.ts";
import { TextWriter } from "../../metadata-tools/text-writer.ts";

const standardOutput = 1;
const standardError = 2;
const pauseMilliseconds = 5;

/** Writes all of it, also to a pipe that takes no more for the moment. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done, bytes.length - done);
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMilliseconds);
    }
  }
}

/** Writes text to standard output. */
export function printText(text: string): void {
  writeAll(standardOutput, Buffer.from(text));
}

/** Writes text to standard error. */
export function printError(text: string): void {
  writeAll(standardError, Buffer.from(text));
}

/** Gathers text for standard output, of which there may be much. */
export function standardOutputWriter(): TextWriter {
  return new TextWriter((bytes) => writeAll(standardOutput, bytes));
}
