import { resolve } from "node:path";
import type { Command } from "commander";
import type { GraphAccess } from "../api/graph-access.ts";
import type { Graph, GraphOptions } from "../index.ts";
import { readDaemonFile } from "../service/daemon-file.ts";
import { reachDaemon } from "./reach-daemon.ts";
import { missingDevice, missingRight } from "./requirements.ts";
import { settingsOf } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { UsageError } from "./usage-error.ts";

/** What a command does where there is no graph yet: make one, or say so. */
export type WhenAbsent = "make" | "refuse";

/**
 * Opens the graph that the command line names, or reaches it through its daemon where one runs; does the work, and lets go of it again,
 * whatever happened.
 */
export async function withGraph(
  command: Command,
  whenAbsent: WhenAbsent,
  work: (graph: GraphAccess, settings: Settings) => Promise<void>,
): Promise<void> {
  const settings = settingsOf(command);
  const options = await graphOptions(settings);
  const graph = (await reachDaemon(options)) ?? (await openHere(options, whenAbsent));
  try {
    await work(graph, settings);
  } finally {
    await graph.close();
  }
}

/**
 * As `withGraph`, but that this process opens the graph itself, also beside a daemon: for what needs the devices' blocks, which need not go through
 * another process.
 */
export async function withOwnGraph(
  command: Command,
  whenAbsent: WhenAbsent,
  work: (graph: Graph, settings: Settings) => Promise<void>,
): Promise<void> {
  const settings = settingsOf(command);
  const options = await graphOptions(settings);
  const deviceMapper = options.deviceMapper ?? readDaemonFile(options.root)?.deviceMapper;
  const graph = await openHere({ ...options, deviceMapper }, whenAbsent);
  try {
    await work(graph, settings);
  } finally {
    await graph.close();
  }
}

async function openHere(options: GraphOptions, whenAbsent: WhenAbsent): Promise<Graph> {
  const { graphExists, openGraph } = await import("../index.ts");
  if (whenAbsent === "refuse" && !graphExists(options.root)) {
    throw failure(
      "NO_GRAPH",
      `Cannot open a graph in ${options.root}: there is none. \`mica import\` or \`mica info\` makes it; --root names another.`,
    );
  }
  return openGraph(await onThisMachine(options));
}

/** How the command line wants its graph opened. */
export async function graphOptions({ root, storageOptions, deviceMapper, autogrow }: Settings): Promise<GraphOptions> {
  await refuseBadOptions(storageOptions);
  return { root: resolve(root), storageOptions, deviceMapper, autogrow, log };
}

/** The options with the device mapper that is to be used here. Says so early and plainly where the machine lacks what a graph needs. */
export async function onThisMachine(options: GraphOptions): Promise<GraphOptions> {
  requireMachine(options.root);
  const { machineNeeds } = await import("../index.ts");
  const needs = await machineNeeds(options);
  refuseMissing(options.root, missingDevice(needs));
  return { ...options, deviceMapper: needs.deviceMapper };
}

/** The part of it that no device mapper can do without. */
export function requireMachine(root: string): void {
  refuseMissing(root, missingRight());
}

function refuseMissing(root: string, missing: string | undefined): void {
  if (missing !== undefined) throw failure("REQUIREMENT", `Cannot open the graph in ${root}: ${missing}`);
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** An option that cannot be read is wrong usage, unlike one that this graph cannot follow. */
async function refuseBadOptions(storageOptions: string[]): Promise<void> {
  if (storageOptions.length === 0) return;
  const { parseStorageOptions } = await import("../graph/options/parse-storage-options.ts");
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
