import { isContainerName } from "./container-name.ts";
import type { ContainerRecord } from "./records.ts";
import { StoreError } from "./store-error.ts";
import type { StoreFiles } from "./store-files.ts";

/**
 * Finds a container by its whole ID, its name, or the start of its ID, in this order, as Docker does.
 *
 * @throws StoreError not-found, or ambiguous with what it may mean
 */
export function findContainer(files: StoreFiles, nameOrId: string): ContainerRecord {
  const id = containerId(files, nameOrId);
  const record = id === undefined ? undefined : files.container(id);
  if (record === undefined) {
    throw new StoreError("not-found", `Cannot find container '${nameOrId}': there is none of that name or ID`);
  }
  return record;
}

function containerId(files: StoreFiles, nameOrId: string): string | undefined {
  if (/^[0-9a-f]{64}$/.test(nameOrId) && files.container(nameOrId) !== undefined) return nameOrId;
  if (!isContainerName(nameOrId)) return undefined;
  const named = files.containerIdOfName(nameOrId);
  if (named !== undefined) return named;
  const matching = /^[0-9a-f]+$/.test(nameOrId) ? files.containerIds().filter((id) => id.startsWith(nameOrId)) : [];
  if (matching.length > 1) {
    throw new StoreError("ambiguous", `Cannot tell which container '${nameOrId}' is: ${matching.join(", ")}`);
  }
  return matching.at(0);
}
