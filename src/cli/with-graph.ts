import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { Graph } from "../index.ts";
import { missingRequirement } from "./requirements.ts";
import { settingsOf } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { UsageError } from "./usage-error.ts";

/** What a command does where there is no graph yet: make one, or say so. */
export type WhenAbsent = "make" | "refuse";

/** Opens the graph that the command line names, does the work, and lets go of it again, whatever happened. */
export async function withGraph(
  command: Command,
  whenAbsent: WhenAbsent,
  work: (graph: Graph, settings: Settings) => Promise<void>,
): Promise<void> {
  const settings = settingsOf(command);
  await refuseBadOptions(settings.storageOptions);
  const root = resolve(settings.root);
  if (whenAbsent === "refuse" && !graphExists(root)) {
    throw Object.assign(
      new Error(
        `Cannot open a graph in ${root}: there is none. \`mica import\` or \`mica info\` makes it; --root names another.`,
      ),
      { code: "NO_GRAPH" },
    );
  }
  const missing = missingRequirement();
  if (missing !== undefined) {
    throw Object.assign(new Error(`Cannot open the graph in ${root}: ${missing}`), { code: "REQUIREMENT" });
  }
  const { openGraph } = await import("../index.ts");
  const graph = await openGraph({ root, storageOptions: settings.storageOptions, log });
  try {
    await work(graph, settings);
  } finally {
    await graph.close();
  }
}

/** Whether a folder holds a graph, in use or not. */
export function graphExists(root: string): boolean {
  return existsSync(join(root, "metadata")) || existsSync(join(root, "devicemapper"));
}

/** An option that cannot be read is wrong usage, unlike one that this graph cannot follow. */
async function refuseBadOptions(storageOptions: string[]): Promise<void> {
  if (storageOptions.length === 0) return;
  const { parseStorageOptions, splitStorageOptions } = await import("../graph/parse-storage-options.ts");
  try {
    parseStorageOptions(splitStorageOptions(storageOptions));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function log(level: "debug" | "info" | "warn" | "error", message: string): void {
  const debug = process.env.MICA_DEBUG === "1";
  if (level === "warn" || level === "error")
    process.stderr.write(`mica: ${level === "warn" ? "warning" : "error"}: ${message}\n`);
  else if (debug) process.stderr.write(`mica: ${level}: ${message}\n`);
}
