import type { DockerGraph } from "../../docker-graph/docker-graph.ts";
import { DockerGraphError } from "../../docker-graph/docker-graph-error.ts";

const mostTold = 5;

/** Refuses a pool whose metadata is damaged: what is wrong would grow with every write. */
export function requireSound(graph: DockerGraph, metadataPath: string, faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new DockerGraphError(
    "EDAMAGED",
    `Cannot open '${graph.dataRoot}': the metadata of its pool is damaged: ${several(faults)}. Nothing was changed. Save what can be ` +
      "saved with mica adopt export; to go on with the graph itself, repair its metadata into another file or device " +
      `(thin_repair -i ${metadataPath} -o REPAIRED), put that in its place, and open it again`,
  );
}

/** Refuses to lose anything without having been told to. @param pool its transaction id, and the ids of the devices in it that are the graph's */
export function requireConsent(
  graph: DockerGraph,
  pool: { ids: ReadonlySet<number>; transactionId: number },
  label: (device: string) => string,
  { acceptLosses }: { acceptLosses?: boolean },
): void {
  const { devices, transaction } = graph.deviceFiles;
  const named = new Set([...devices.values()].map(({ deviceId }) => deviceId));
  // The device of a change that was cut short is settled as Docker would settle it.
  const open = transaction !== undefined && transaction.openTransactionId > pool.transactionId;
  const unfinished = open ? transaction.deviceId : undefined;
  const unnamed = [...pool.ids].filter((id) => !named.has(id) && id !== unfinished);
  const lost = [...devices].filter(([, { deviceId }]) => !pool.ids.has(deviceId) && deviceId !== unfinished);
  if (acceptLosses === true || (unnamed.length === 0 && lost.length === 0)) return;
  const told = [
    ...lost.map(([name]) => `${label(name)} is not in the pool, and would be forgotten`),
    ...unnamed.map((id) => `device id ${id} is in the pool, but no file names it, and it would be deleted`),
  ];
  throw new DockerGraphError(
    "EINVAL",
    `Cannot open '${graph.dataRoot}': files and pool do not agree: ${several(told)}. Nothing was changed. Put back what is missing, or go on ` +
      "without it: --accept-losses",
  );
}

function several(lines: readonly string[]): string {
  const more = lines.length > mostTold ? `; and ${lines.length - mostTold} more` : "";
  return lines.slice(0, mostTold).join("; ") + more;
}
