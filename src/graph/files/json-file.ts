import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { errorCode } from "../../linux/system-error.ts";
import { GraphError } from "../graph-error.ts";

/** Names that start so are half-written files: of a writer at work, or of one that died. */
export const temporaryPrefix = ".tmp";

/** What a power cut does to a file just written: nothing, or it may leave the one before, or an empty one. */
export type Durability = "durable" | "not-durable";

/**
 * Replaces a JSON file: temporary file in the same folder, sync, rename, sync of the folder. A crash leaves the old one or the
 * new one, also a power cut, unless it is written "not-durable": then the syncs are saved.
 */
export function writeJsonFile(path: string, value: unknown, durability: Durability = "durable"): void {
  const temporary = temporaryName(path);
  const fd = openSync(temporary, "wx", 0o600);
  try {
    try {
      writeSync(fd, JSON.stringify(value));
      if (durability === "durable") fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // The first error is the one to tell.
    }
    throw error;
  }
  if (durability === "durable") syncFolder(dirname(path));
}

/** As `writeJsonFile`, durable when it resolves: other threads wait for the disk. Not for a file that others write at the same time. */
export async function writeJsonFileAsync(path: string, value: unknown): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await writeFile(temporary, JSON.stringify(value), { flag: "wx", mode: 0o600, flush: true });
    renameSync(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error is the one to tell
    throw error;
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Removes half-written files from a folder. Only where no writer can be at work in it. */
export function removeTemporaryFiles(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(temporaryPrefix)) rmSync(join(folder, name), { force: true });
  }
}

/** As no other writer's, also of one that died: in a container its process ID comes again. */
function temporaryName(path: string): string {
  return join(dirname(path), `${temporaryPrefix}-${basename(path)}-${randomBytes(8).toString("hex")}`);
}

/** Makes what was made, renamed or removed in a folder survive a power cut. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads and validates a JSON file.
 *
 * @returns undefined when there is none
 * @throws GraphError EDAMAGED, naming the file and what is wrong in it
 */
export function readJsonFile<T>(path: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  let text;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(path, text === "" ? "it is empty" : "it is not JSON");
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw damaged(path, `${v.getDotPath(issue) ?? "all of it"}: ${issue.message}`);
}

function damaged(path: string, why: string): GraphError {
  return new GraphError(
    "EDAMAGED",
    `Cannot read '${path}': ${why}. The file is damaged: put it back from a backup, or move it away and run the check`,
  );
}
