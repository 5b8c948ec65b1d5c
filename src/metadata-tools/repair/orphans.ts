import type { DeviceDetails } from "../../thin/device-record.ts";
import type { MappingSums } from "./mapping-sums.ts";
import type { MetadataCounts } from "./metadata-counts.ts";
import { blockRole, type NodeScan } from "./node-scan.ts";
import type { LostNode, TreeSurvey } from "./tree-survey.ts";

/** A node that belongs to a commit, and to which nothing in it that can be read refers. */
export interface Orphan {
  readonly block: number;
  readonly firstKey: number;
  readonly lastKey: number;
  readonly mappings: number;
  readonly height: number;
  readonly complete: boolean;
  /** References to it that were lost. */
  readonly missing: number;
}

/** What orphans are, and where they belong. */
export interface PlacedOrphans {
  /** By lost node: the nodes that were below it, ascending by their keys. */
  readonly grafts: Map<number, number[]>;
  /** Those that could belong to several places, or to none. */
  readonly unplaced: Orphan[];
}

/** Finds the nodes that belong to a commit and to which nothing in it refers any more; the uppermost of each lot. */
export function findOrphans(scan: NodeScan, sums: MappingSums, survey: TreeSurvey, counts: MetadataCounts): Orphan[] {
  const missing = (block: number): number => (counts.get(block) ?? 0) - survey.references.get(block);
  const suspects = [blockRole.internal, blockRole.mappings, blockRole.roots]
    .flatMap((role) => [...scan.of(role)])
    .filter((block) => scan.entries(block) > 0 && missing(block) > 0 && sums.of(block).height >= 0)
    .sort((a, b) => sums.of(b).height - sums.of(a).height);
  const uppermost = suspects.filter((block) => {
    // Those above it have been counted by now.
    if (missing(block) <= 0) return false;
    if (survey.references.get(block) === 0) survey.addBelow(block);
    return true;
  });
  return uppermost
    .filter((block) => missing(block) > 0)
    .map((block) => {
      const { lastKey, mappings, height, complete } = sums.of(block);
      return { block, firstKey: scan.firstKey(block), lastKey, mappings, height, complete, missing: missing(block) };
    });
}

/**
 * Puts orphans where lost nodes were. One belongs there if its keys and its height fit there and nowhere else (or if as many references to it
 * are missing as there are places), if it overlaps with no other, and if no device then has more mappings than its details say.
 *
 * @param lost where there was something that cannot be read
 * @param devices roots of the devices' trees; and what their details say, where that is known
 * @param exact whether a device must then have just as many as its details say: where there may be places that are not known
 */
export function placeOrphans(
  orphans: readonly Orphan[],
  lost: readonly LostNode[],
  survey: TreeSurvey,
  sums: MappingSums,
  devices: readonly { root: number; details: DeviceDetails | undefined }[],
  exact: "exact" | "at most",
): PlacedOrphans {
  const placed = new Map<number, Orphan[]>();
  for (const orphan of orphans) {
    const places = lost.filter((node) => fits(orphan, node));
    if (places.length === 0 || places.length > orphan.missing) continue;
    for (const { block } of places) placed.set(block, [...(placed.get(block) ?? []), orphan]);
  }
  for (const [block, those] of placed) {
    those.sort((a, b) => a.firstKey - b.firstKey);
    const isSound = those.every(
      (orphan, i) => i === 0 || (orphan.firstKey > those[i - 1].lastKey && orphan.height === those[0].height),
    );
    if (!isSound) placed.delete(block);
  }
  const regained = (block: number): number =>
    (placed.get(block) ?? []).reduce((sum, { mappings }) => sum + mappings, 0);
  const proven = ({ root, details }: (typeof devices)[number]): boolean => {
    if (details === undefined) return exact === "at most";
    const found = survey.lostBelow(root).reduce((sum, { block }) => sum + regained(block), sums.of(root).mappings);
    return exact === "exact" ? found === details.mappedBlocks : found <= details.mappedBlocks;
  };
  // What one device refuses, another may have counted on.
  for (let left = -1; left !== placed.size;) {
    left = placed.size;
    for (const device of devices) {
      if (!proven(device)) for (const { block } of survey.lostBelow(device.root)) placed.delete(block);
    }
  }
  const used = new Set([...placed.values()].flat());
  const grafts = new Map([...placed].map(([block, those]) => [block, those.map((orphan) => orphan.block)]));
  return { grafts, unplaced: orphans.filter((orphan) => !used.has(orphan)) };
}

function fits({ firstKey, lastKey, height }: Orphan, lost: LostNode): boolean {
  return firstKey >= lost.lowest && lastKey < lost.end && (lost.height === undefined || lost.height === height + 1);
}
