import { readFileSync, readdirSync } from "node:fs";
import * as v from "valibot";
import { errorCode } from "../linux/system-error.ts";

/** Collects what is wrong, in plain words, so that one damaged file does not hide all that is well. */
export type Problems = string[];

/**
 * Reads a JSON file that Docker wrote. Damage is noted and reads as undefined, as a missing file does, which is not noted.
 *
 * @param what how the note begins, such as "Container 4547…"
 */
export function readStoredJson<T>(
  path: string,
  form: v.GenericSchema<unknown, T>,
  what: string,
  problems: Problems,
): T | undefined {
  const text = readStoredText(path, what, problems);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    problems.push(`${what}: '${path}' is damaged: ${text === "" ? "it is empty" : "it is not JSON"}`);
    return undefined;
  }
  const result = v.safeParse(form, value);
  if (result.success) return result.output;
  const issue = result.issues[0];
  problems.push(`${what}: '${path}' is damaged: ${v.getDotPath(issue) ?? "all of it"}: ${issue.message}`);
  return undefined;
}

/** Reads a small file; undefined when there is none, or, which is noted, when it cannot be read. */
export function readStoredText(path: string, what: string, problems: Problems): string | undefined {
  return readStoredBytes(path, what, problems)?.toString("utf8");
}

/** As `readStoredText`, in bytes. */
export function readStoredBytes(path: string, what: string, problems: Problems): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT" && errorCode(error) !== "ENOTDIR")
      problems.push(`${what}: ${unread(path, error)}`);
    return undefined;
  }
}

/** Names in a folder, sorted; none when there is no such folder. */
export function storedNames(path: string, what: string, problems: Problems): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (errorCode(error) !== "ENOENT" && errorCode(error) !== "ENOTDIR")
      problems.push(`${what}: ${unread(path, error)}`);
    return [];
  }
}

function unread(path: string, error: unknown): string {
  if (errorCode(error) === "EACCES") return `'${path}' may not be read by this user`;
  return `'${path}' cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}
