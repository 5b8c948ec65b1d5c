import { resolve } from "node:path";
import type { Command } from "commander";
import type { Graph, GraphOptions } from "../index.ts";
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
  const options = await graphOptions(settings);
  const { graphExists, openGraph } = await import("../index.ts");
  if (whenAbsent === "refuse" && !graphExists(options.root)) {
    throw failure(
      "NO_GRAPH",
      `Cannot open a graph in ${options.root}: there is none. \`mica import\` or \`mica info\` makes it; --root names another.`,
    );
  }
  requireMachine(options.root);
  const graph = await openGraph(options);
  try {
    await work(graph, settings);
  } finally {
    await graph.close();
  }
}

/** How the command line wants its graph opened. */
export async function graphOptions({ root, storageOptions }: Settings): Promise<GraphOptions> {
  await refuseBadOptions(storageOptions);
  return { root: resolve(root), storageOptions, log };
}

/** Says so early and plainly where the machine lacks what a graph needs. */
export function requireMachine(root: string): void {
  const missing = missingRequirement();
  if (missing !== undefined) throw failure("REQUIREMENT", `Cannot open the graph in ${root}: ${missing}`);
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** An option that cannot be read is wrong usage, unlike one that this graph cannot follow. */
async function refuseBadOptions(storageOptions: string[]): Promise<void> {
  if (storageOptions.length === 0) return;
  const { parseStorageOptions } = await import("../graph/parse-storage-options.ts");
  try {
    parseStorageOptions(storageOptions);
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
