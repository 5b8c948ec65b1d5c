import type { BlockFile } from "../../persistent-data/block-file.ts";
import { entriesPerPage } from "../../persistent-data/count-page.ts";
import { MetadataError } from "../../persistent-data/metadata-error.ts";
import { noSpaceMap } from "../../persistent-data/space-map.ts";
import { ThinError } from "../../thin/errors.ts";
import type { Superblock } from "../../thin/superblock.ts";
import type { PoolDescription } from "../dump.ts";
import { PoolReader, readState } from "../pool-reader.ts";
import { findCounts } from "./find-counts.ts";
import { findRoots } from "./find-roots.ts";
import { MetadataCounts } from "./metadata-counts.ts";
import { NodeScan } from "./node-scan.ts";
import { type CommitRoots, rebuild, type RebuiltPool } from "./rebuild.ts";
import { RootCandidates } from "./root-candidates.ts";
import type { ChosenRoots, RepairReport } from "./repair-report.ts";

/** Version of the format that a superblock that is lost is taken to have had. */
const usualVersion = 2;

/** What is known of a pool besides its metadata. */
export interface KnownOfPool {
  /** In place of what the superblock says. */
  readonly description?: Partial<PoolDescription>;
  /** Where the superblock is lost. */
  readonly withoutSuperblock?: Partial<PoolDescription>;
  /** Ids of the devices that the pool should hold. */
  readonly deviceIds?: ReadonlySet<number>;
}

/** What to read for a repair. */
export interface RepairPlan {
  /** Names the trees, and says what the repaired pool's is to say. */
  readonly superblock: Superblock;
  readonly pool: RebuiltPool;
  readonly report: Pick<RepairReport, "superblock" | "roots">;
}

/**
 * Decides what to read of a pool's damaged metadata. What the superblock names comes first; of that what cannot be read is put together again as
 * far as it can be proven; and where an earlier commit is whole and has more than that, it is taken instead.
 *
 * @throws ThinError EINVAL when too little is known, or there is nothing to be found
 */
export function planRepair(file: BlockFile, known: KnownOfPool): RepairPlan {
  const named = namedState(file);
  if (named !== undefined && named.dataSpaceMap.blocks > file.sizeBlocks() * entriesPerPage) {
    if (known.description?.dataBlocks === undefined) {
      throw new ThinError(
        "EINVAL",
        `Cannot repair the metadata: its superblock says that there are ${named.dataSpaceMap.blocks} data blocks, more than could be counted. Say how many there are: --nr-data-blocks.`,
      );
    }
  }
  if (named === undefined) requireDescription({ ...known.withoutSuperblock, ...known.description });
  const candidates = new RootCandidates(new NodeScan(file));
  return named === undefined ? planWithout(candidates, known) : planWith(candidates, named, known);
}

/** The superblock, if it is sound. */
export function namedState(file: BlockFile): Superblock | undefined {
  try {
    return readState(file, "committed");
  } catch (error) {
    if (error instanceof MetadataError) return undefined;
    throw error;
  }
}

/** Whether all that a superblock leads to can be read; nodes that trees share are read once. */
export function isSound(file: BlockFile, superblock: Superblock): boolean {
  const damage = { found: false };
  const reader = new PoolReader(file, superblock, () => (damage.found = true));
  const roots = reader.mappingRoots();
  const details = reader.details();
  if (roots.size !== details.size || [...roots.keys()].some((id) => !details.has(id))) return false;
  const seen = new Uint8Array(file.sizeBlocks());
  const isSeen = (block: number): boolean => {
    const known = seen[block] === 1;
    if (block < seen.length) seen[block] = 1;
    return known;
  };
  for (const [id, root] of roots) {
    if (damage.found) return false;
    reader.walkMappings(root, `thin device ${id}`, () => undefined, isSeen);
  }
  return !damage.found;
}

function planWith(candidates: RootCandidates, named: Superblock, known: KnownOfPool): RepairPlan {
  const { bitmapRoot, refCountRoot } = named.metadataSpaceMap;
  const pool = rebuild(candidates, named, new MetadataCounts(candidates.scan, bitmapRoot, refCountRoot));
  const { transactionId } = { ...named, ...known.description };
  const trees = [
    { tree: candidates.ofDevices(named.mappingRoot), what: "the tree of devices" },
    { tree: candidates.ofDetails(named.detailsRoot), what: "the tree of their details" },
  ];
  const damaged = trees.filter(({ tree }) => !tree.complete);
  const lostTop = pool.lostDevices.length > 0 || pool.devices.some(({ mappedBefore }) => mappedBefore === undefined);
  const roots = {
    mappingRoot: named.mappingRoot,
    detailsRoot: named.detailsRoot,
    time: pool.time,
    transactionId,
    mayBeEarlier: false,
  };
  if (!lostTop) {
    const why = "those that the superblock names";
    return { superblock: named, pool, report: { superblock: "kept", roots: { ...roots, source: "superblock", why } } };
  }
  const found = findRoots(candidates, known.deviceIds);
  if (found?.whole === true && found.mappings > pool.kept) {
    const { mappingRoot, detailsRoot } = found;
    const superblock = { ...named, heldRoot: 0, mappingRoot, detailsRoot, time: Math.max(found.time, named.time) };
    return {
      superblock,
      pool: rebuild(candidates, superblock, undefined),
      report: {
        superblock: "kept",
        roots: {
          source: "found",
          mappingRoot,
          detailsRoot,
          time: superblock.time,
          transactionId,
          mayBeEarlier: true,
          why: `those at metadata blocks ${mappingRoot} and ${detailsRoot}, of an earlier commit, which are whole: of those that the superblock names there is less left`,
        },
      },
    };
  }
  const what = damaged.length === 0 ? "their trees" : damaged.map((tree) => tree.what).join(" and ");
  const why = `${what} cannot be read whole, and was put together from what is left`;
  return { superblock: named, pool, report: { superblock: "kept", roots: { ...roots, source: "rebuilt", why } } };
}

function planWithout(candidates: RootCandidates, known: KnownOfPool): RepairPlan {
  const { transactionId, dataBlockSize, dataBlocks } = requireDescription({
    ...known.withoutSuperblock,
    ...known.description,
  });
  const found = findRoots(candidates, known.deviceIds) ?? fullestTree(candidates);
  const commit: CommitRoots = found;
  const pool = rebuild(candidates, commit, found.whole ? undefined : findCounts(candidates, commit));
  const roots: ChosenRoots = {
    source: "found",
    mappingRoot: found.mappingRoot,
    detailsRoot: found.detailsRoot === 0 ? null : found.detailsRoot,
    time: pool.time,
    transactionId,
    mayBeEarlier: !found.whole,
    why: found.whole
      ? `those at metadata blocks ${found.mappingRoot} and ${found.detailsRoot}: the latest that are whole, and in which each device has as many mappings as its details say`
      : `the one at metadata block ${found.mappingRoot}${found.detailsRoot === 0 ? "" : `, and details at ${found.detailsRoot}`}: none are whole, and in these there is most`,
  };
  return {
    superblock: {
      needsCheck: false,
      version: usualVersion,
      time: pool.time,
      transactionId,
      heldRoot: 0,
      dataSpaceMap: { ...noSpaceMap, blocks: dataBlocks },
      metadataSpaceMap: noSpaceMap,
      mappingRoot: found.mappingRoot,
      detailsRoot: found.detailsRoot,
      dataBlockSizeSectors: dataBlockSize,
      metadataBlocks: candidates.scan.blocks,
    },
    pool,
    report: { superblock: "lost", roots },
  };
}

/** A tree of devices of which no details are left: the latest. @throws ThinError EINVAL when there is none */
function fullestTree(candidates: RootCandidates): { mappingRoot: number; detailsRoot: 0; time: number; whole: false } {
  const trees = candidates.devices().sort((a, b) => b.time - a.time || b.mappings - a.mappings || b.root - a.root);
  const tree =
    trees.find(({ complete, mappings }) => complete && mappings > 0) ?? trees.find(({ mappings }) => mappings > 0);
  if (tree === undefined) {
    throw new ThinError("EINVAL", "Cannot repair the metadata: no trees of a pool were found in it");
  }
  return { mappingRoot: tree.root, detailsRoot: 0, time: tree.time, whole: false };
}

function requireDescription(
  known: Partial<PoolDescription>,
): Pick<PoolDescription, "transactionId" | "dataBlockSize" | "dataBlocks"> {
  const { transactionId, dataBlockSize, dataBlocks } = known;
  if (transactionId === undefined || dataBlockSize === undefined || dataBlocks === undefined) {
    throw new ThinError(
      "EINVAL",
      "Cannot repair the metadata: its superblock is lost. Say what it said: --transaction-id, --data-block-size, --nr-data-blocks.",
    );
  }
  return { transactionId, dataBlockSize, dataBlocks };
}
