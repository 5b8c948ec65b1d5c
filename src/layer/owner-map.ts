import { LayerError } from "./layer-error.ts";

/** One range of a user namespace's map: so many numbers from `containerId` on are those from `hostId` on outside. */
export interface OwnerRange {
  containerId: number;
  hostId: number;
  size: number;
}

/** How users and groups inside a user namespace are numbered outside it. Without ranges, they are the same. */
export interface OwnerMaps {
  users: readonly OwnerRange[];
  groups: readonly OwnerRange[];
}

/** No user namespace. */
export const sameOwners: OwnerMaps = { users: [], groups: [] };

/** Which way to map: a layer's tar has the numbers inside, the unpacked files have those outside. */
export type OwnerDirection = "to host" | "to container";

/** Whether owners change at all. */
export function mapsOwners(maps: OwnerMaps): boolean {
  return maps.users.length > 0 || maps.groups.length > 0;
}

/**
 * Maps a user or a group.
 *
 * @param id a user or group number
 * @throws LayerError for a number that is in none of the ranges
 */
export function mapOwner(ranges: readonly OwnerRange[], id: number, direction: OwnerDirection): number {
  if (ranges.length === 0) return id;
  const [from, to] =
    direction === "to host" ? (["containerId", "hostId"] as const) : (["hostId", "containerId"] as const);
  const range = ranges.find((range) => id >= range[from] && id - range[from] < range.size);
  if (range !== undefined) return range[to] + (id - range[from]);
  throw new LayerError(
    direction === "to host"
      ? `owner ${id} has no number on the host: the user namespace's map does not reach so far`
      : `owner ${id} has no number in the container: it is outside the user namespace's map`,
  );
}

/** The host's numbers of the container's root. */
export function rootOwner(maps: OwnerMaps): { user: number; group: number } {
  return { user: mapOwner(maps.users, 0, "to host"), group: mapOwner(maps.groups, 0, "to host") };
}
