import { rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { detachLoop, loopsOf } from "../linux/loop.ts";
import { unmountAsync } from "../linux/mount.ts";
import { mountTable } from "../linux/mount-table.ts";
import { errorCode } from "../linux/system-error.ts";
import type { GraphContext } from "./graph-context.ts";
import { GraphError } from "./graph-error.ts";
import { endExportOf } from "./devices/exports.ts";
import { endMonitor } from "./growth/monitor-process.ts";
import { removePatiently } from "./devices/remove-patiently.ts";
import { poolDevices } from "./pool/pool-devices.ts";
import { processesIn } from "./devices/processes-in.ts";
import { clearUserspaceMark } from "./files/userspace-mark.ts";

const attempts = 20;
const pauseMs = 50;

/**
 * Unmounts everything of a graph, takes its devices away and stops its pool. Only for who is alone on the graph.
 *
 * @throws GraphError EBUSY, naming what is in use and by whom; what could go is gone then, and another try goes on from there
 */
export async function stopGraph(context: GraphContext): Promise<void> {
  const ran = context.exclusivePool && (await context.mapper.info(context.pool)) !== undefined;
  await undoStart(context);
  if (ran) clearUserspaceMark(context.root);
}

/** As `stopGraph`, of a start that failed: what is known of the pool's last run stays so for the next one. */
export async function undoStart(context: GraphContext): Promise<void> {
  await unmountAll(context);
  const devices = (await context.mapper.list()).filter(({ name }) => context.names.idOf(name) !== undefined);
  for (const { name } of devices) {
    await endExportOf(context, name);
    await removeFromMapper(context, name);
  }
  if (!context.exclusivePool) return;
  await endMonitor(context);
  await removeFromMapper(context, context.pool);
  if (context.mapper.kind !== "kernel") return;
  for (const { file } of Object.values(poolDevices(context))) {
    if (file !== undefined) for (const loop of loopsOf(file)) detachLoop(loop);
  }
}

async function unmountAll(context: GraphContext): Promise<void> {
  const folder = `${join(context.root, "mnt")}/`;
  const busy: string[] = [];
  // The newest first: what is mounted inside a container goes before the container.
  const mountPoints = mountTable()
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint.startsWith(folder))
    .reverse();
  for (const mountPoint of mountPoints) {
    if (!(await unmountPatiently(mountPoint)))
      busy.push(`${mountPoint} (${(await processesIn(mountPoint)).join(", ") || "in use"})`);
    else if (!mountPoint.slice(folder.length).includes("/")) removeFolder(context, mountPoint);
  }
  if (busy.length === 0) return;
  throw new GraphError(
    "EBUSY",
    `Cannot shut down '${context.root}': still in use: ${busy.join("; ")}. End that and try again`,
  );
}

async function unmountPatiently(mountPoint: string): Promise<boolean> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      await unmountAsync(mountPoint);
      return true;
    } catch (error) {
      if (errorCode(error) === "EINVAL" || errorCode(error) === "ENOENT") return true;
      if (errorCode(error) !== "EBUSY") throw error;
      await sleep(pauseMs);
    }
  }
  return false;
}

function removeFolder(context: GraphContext, mountPoint: string): void {
  try {
    rmdirSync(mountPoint);
  } catch (error) {
    context.log("debug", `'${mountPoint}' stays: ${String(error)}`);
  }
}

async function removeFromMapper(context: GraphContext, name: string): Promise<void> {
  await removePatiently(
    () => context.mapper.remove(name),
    { attempts, pauseMs },
    `Cannot shut down '${context.root}': ${name} is in use. End what has it open and try again`,
  );
}
