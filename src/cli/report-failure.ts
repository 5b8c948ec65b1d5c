import { exitStatus } from "./exit-status.ts";
import { printable } from "./printable.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Says on stderr what failed, in one or two plain lines or, with `json`, as `{"error":{"code","message"}}`.
 * The stack is shown with MICA_DEBUG=1 only.
 * @returns the exit status
 */
export function reportFailure(error: unknown, json: boolean): number {
  const usage = error instanceof UsageError;
  const message = printable(messageOf(error));
  const code = usage ? "USAGE" : codeOf(error);
  process.stderr.write(json ? `${JSON.stringify({ error: { code, message } })}\n` : `mica: ${message}\n`);
  if (process.env.MICA_DEBUG === "1" && error instanceof Error) process.stderr.write(`${stackOf(error)}\n`);
  return usage ? exitStatus.usage : exitStatus.failure;
}

/** A system's own words ("ENOSPC: no space left on device, write") get said what they are about. */
function messageOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).trim();
  if (error instanceof UsageError || text.startsWith("Cannot ")) return text;
  return `Cannot complete the command: ${text === "" ? "an error without a message (MICA_DEBUG=1 shows where)" : text}`;
}

function codeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error) {
    const { code } = error;
    if (typeof code === "string" && code !== "") return code;
  }
  return "FAILED";
}

function stackOf(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\nCaused by: ${stackOf(error.cause)}` : stack;
}
