import type { RootCandidate, RootCandidates } from "./root-candidates.ts";

/** The two trees of a pool, found without its superblock. */
export interface FoundRoots {
  readonly mappingRoot: number;
  readonly detailsRoot: number;
  /** The latest time that a device or a mapping bears: the pool's own is not below it. */
  readonly time: number;
  /** Mappings that can be reached. */
  readonly mappings: number;
  /** Whether all can be read, and each device has as many mappings as its details say. */
  readonly whole: boolean;
}

/** A tree of devices and one of details that have the same devices. */
interface Pair {
  readonly devices: RootCandidate;
  readonly details: RootCandidate;
  readonly time: number;
  /** Mappings older than `time`. */
  readonly older: number;
}

/** Of trees that could go together and do not quite, so many of each are compared. */
const mostCompared = 24;

/**
 * Looks for a pool's trees in all blocks of its metadata, where the superblock or a root is damaged. As blocks are never changed in place,
 * roots of earlier commits lie about too. Taken is a pair that has the same devices and in which each has as many mappings as its details
 * say. Of several such, the latest is:
 *
 * 1. the one with the latest time: each snapshot that is made moves it on;
 * 2. the one that has fewest mappings from before that time: no such mapping can be made any more, only written over or discarded;
 * 3. the one with the latest transaction id of a device;
 * 4. the one that has most mappings of that time: blocks are written more often than they are discarded just after.
 *
 * @param expected ids of the devices that the pool should hold, where that is known
 * @returns undefined when no two trees have the same devices
 */
export function findRoots(candidates: RootCandidates, expected?: ReadonlySet<number>): FoundRoots | undefined {
  const devices = candidates.devices();
  const details = candidates.details();
  const wrong = (pair: Pair): number => {
    if (expected === undefined) return 0;
    const known = candidates.detailsBelow(pair.details.root);
    const strange = [...known.keys()].filter((id) => !expected.has(id)).length;
    return strange + [...expected].filter((id) => !known.has(id)).length;
  };
  const pairs = withoutParts(candidates, wholePairs(devices, details));
  const whole = pairs.length > 0;
  const latest = whole ? pairs : brokenPairs(devices, details);
  const best = latest
    .map((pair) => ({ pair, wrong: wrong(pair) }))
    .reduce<{ pair: Pair; wrong: number } | undefined>(
      (best, next) => (best === undefined || isLater(next, best) ? next : best),
      undefined,
    )?.pair;
  if (best === undefined) return undefined;
  const { root: mappingRoot, mappings } = best.devices;
  return { mappingRoot, detailsRoot: best.details.root, time: best.time, mappings, whole };
}

/** Trees that agree in everything. */
function wholePairs(devices: readonly RootCandidate[], details: readonly RootCandidate[]): Pair[] {
  const byCounts = groupBy(details, ({ counts }) => counts);
  return devices
    .filter(({ complete }) => complete)
    .flatMap((tree) =>
      (byCounts.get(tree.counts) ?? []).filter(({ complete }) => complete).map((of) => pairOf(tree, of)),
    );
}

/** A leaf of a tree of devices may have just those devices that a leaf of the details has: parts of a larger pair are none. */
function withoutParts(candidates: RootCandidates, pairs: readonly Pair[]): Pair[] {
  const devices = candidates.nodesBelow(new Set(pairs.map((pair) => pair.devices.root)));
  const details = candidates.nodesBelow(new Set(pairs.map((pair) => pair.details.root)));
  return pairs.filter((pair) => !devices.has(pair.devices.root) || !details.has(pair.details.root));
}

/** Trees that have the same devices, and in which something is lost. */
function brokenPairs(devices: readonly RootCandidate[], details: readonly RootCandidate[]): Pair[] {
  const byIds = groupBy(details, ({ ids }) => ids);
  return [...groupBy(devices, ({ ids }) => ids)].flatMap(([ids, trees]) => {
    const those = fullest(byIds.get(ids) ?? []);
    return those.length === 0 ? [] : fullest(trees).flatMap((tree) => those.map((of) => pairOf(tree, of)));
  });
}

function fullest(trees: readonly RootCandidate[]): RootCandidate[] {
  return [...trees]
    .sort((a, b) => b.time - a.time || b.mappings - a.mappings || b.root - a.root)
    .slice(0, mostCompared);
}

function pairOf(devices: RootCandidate, details: RootCandidate): Pair {
  const time = Math.max(devices.time, details.time);
  return { devices, details, time, older: devices.mappings - (devices.time === time ? devices.latest : 0) };
}

function isLater(a: { pair: Pair; wrong: number }, b: { pair: Pair; wrong: number }): boolean {
  const rank = ({ pair, wrong }: typeof a): number[] => [
    -wrong,
    -Math.abs(pair.details.mappings - pair.devices.mappings),
    pair.time,
    -pair.older,
    pair.details.transactionId,
    pair.devices.mappings,
    pair.devices.root,
    pair.details.root,
  ];
  const [one, other] = [rank(a), rank(b)];
  const at = one.findIndex((value, index) => value !== other[index]);
  return at >= 0 && one[at] > other[at];
}

function groupBy<T>(list: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}
