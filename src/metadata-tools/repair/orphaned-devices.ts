import { childAt, entryCount, keyAt } from "../../persistent-data/btree-node.ts";
import type { DeviceDetails } from "../../thin/device-record.ts";
import { blockRole, type NodeScan } from "./node-scan.ts";
import type { Orphan } from "./orphans.ts";

/**
 * Finds the trees of devices whose roots nothing tells any more: those among the orphans that have just as many mappings as the devices' details
 * say. Where several have as many, the leaves of earlier commits, in which a device had the same root, decide; where they do not, none is taken.
 *
 * @returns roots by device id
 */
export function placeDevices(
  scan: NodeScan,
  orphans: readonly Orphan[],
  devices: readonly DeviceDetails[],
): Map<number, Orphan> {
  const found = new Map<number, Orphan>();
  const wholes = orphans.filter(({ complete }) => complete);
  const counts = new Set(devices.map(({ mappedBlocks }) => mappedBlocks));
  const alike = [...counts].map((mappings) => ({
    devices: devices.filter(({ mappedBlocks }) => mappedBlocks === mappings).map(({ id }) => id),
    roots: wholes.filter((orphan) => orphan.mappings === mappings),
  }));
  const earlier = alike.some(isUndecided) ? earlierRoots(scan) : new Map<number, Set<number>>();
  for (const group of alike) {
    for (const [id, root] of decide(group, earlier)) found.set(id, root);
  }
  return found;
}

/** Devices that should have as many mappings, and trees that have. */
interface Alike {
  readonly devices: readonly number[];
  readonly roots: readonly Orphan[];
}

function isUndecided({ devices, roots }: Alike): boolean {
  return roots.length > 1 || (roots.length === 1 && roots[0].missing < devices.length);
}

function decide(group: Alike, earlier: ReadonlyMap<number, ReadonlySet<number>>): [number, Orphan][] {
  const { devices, roots } = group;
  if (!isUndecided(group)) return roots.length === 0 ? [] : devices.map((id) => [id, roots[0]]);
  const taken = devices.flatMap((id): [number, Orphan][] => {
    const those = roots.filter(({ block }) => earlier.get(id)?.has(block) === true);
    return those.length === 1 ? [[id, those[0]]] : [];
  });
  // As many devices as references are missing, or it is not certain which of them.
  return taken.filter(([, root]) => taken.filter(([, other]) => other === root).length <= root.missing);
}

/** Which roots a device has in any leaf of a tree of devices, of whatever commit. */
function earlierRoots(scan: NodeScan): Map<number, Set<number>> {
  const roots = new Map<number, Set<number>>();
  for (const leaf of scan.of(blockRole.roots)) {
    const words = scan.words(leaf);
    for (let entry = 0; words !== undefined && entry < entryCount(words); entry++) {
      const id = keyAt(words, entry);
      const known = roots.get(id);
      if (known === undefined) roots.set(id, new Set([childAt(words, entry)]));
      else known.add(childAt(words, entry));
    }
  }
  return roots;
}
