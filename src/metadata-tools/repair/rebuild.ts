import type { Block } from "../../persistent-data/block.ts";
import { entryCount, keyAt, valueAt } from "../../persistent-data/btree-node.ts";
import { largestTime } from "../../thin/block-time.ts";
import { type DeviceDetails, readDetails } from "../../thin/device-record.ts";
import { readSuperblock, type Superblock, superblockFault } from "../../thin/superblock.ts";
import type { MetadataCounts } from "./metadata-counts.ts";
import { blockRole, type NodeScan } from "./node-scan.ts";
import { placeDevices } from "./orphaned-devices.ts";
import { findOrphans, type Orphan, placeOrphans } from "./orphans.ts";
import type { RootCandidates } from "./root-candidates.ts";
import { TreeSurvey } from "./tree-survey.ts";

/** A device as it will be. */
export interface RebuiltDevice {
  /** With the mappings that it will have. */
  readonly details: DeviceDetails;
  /** Undefined where it has no mappings. */
  readonly root: number | undefined;
  /** What its details said; undefined where they are lost. */
  readonly mappedBefore: number | undefined;
  readonly putBack: number;
}

/** What is left of a commit. */
export interface RebuiltPool {
  /** By ascending id. */
  readonly devices: readonly RebuiltDevice[];
  /** Devices of which only the details are left. */
  readonly lostDevices: readonly DeviceDetails[];
  readonly grafts: ReadonlyMap<number, readonly number[]>;
  readonly unplaced: readonly Orphan[];
  /** Mappings of all devices. */
  readonly kept: number;
  /** The latest time that anything bears. */
  readonly time: number;
}

/** The trees of a commit, as far as they are known. */
export type CommitRoots = Pick<Superblock, "mappingRoot" | "detailsRoot" | "time"> & Partial<Superblock>;

/**
 * Puts together what is left of a commit.
 *
 * @param counts what its space map counts; without it, nothing that is not led to can be proven to belong to it
 */
export function rebuild(
  candidates: RootCandidates,
  roots: CommitRoots,
  counts: MetadataCounts | undefined,
): RebuiltPool {
  return new Rebuilder(candidates, roots, counts).pool;
}

class Rebuilder {
  readonly pool: RebuiltPool;
  readonly #candidates: RootCandidates;
  readonly #scan: NodeScan;
  readonly #survey: TreeSurvey;
  #earlierDetails: Map<number, DeviceDetails> | undefined;

  constructor(candidates: RootCandidates, roots: CommitRoots, counts: MetadataCounts | undefined) {
    const { scan, sums } = candidates;
    this.#candidates = candidates;
    this.#scan = scan;
    this.#survey = new TreeSurvey(scan, sums);
    const known = candidates.rootsBelow(roots.mappingRoot);
    const details = candidates.detailsBelow(roots.detailsRoot);
    const rootless = [...details.values()].filter(({ id }) => !known.has(id));
    const wholeSnapshot = this.#surveyAll(roots, known);
    const lostNodes = [...this.#survey.lost.values()];
    const orphans = counts === undefined ? [] : findOrphans(scan, sums, this.#survey, counts);
    const placed = placeOrphans(
      orphans,
      lostNodes,
      this.#survey,
      sums,
      [...known].map(([id, root]) => ({ root, details: details.get(id) })),
      wholeSnapshot && rootless.length === 0 ? "at most" : "exact",
    );
    const found = placeDevices(
      scan,
      placed.unplaced,
      rootless.filter(({ mappedBlocks }) => mappedBlocks > 0),
    );
    const time = this.#latestTime(
      roots,
      [...known.values(), ...[...found.values()].map(({ block }) => block)],
      details,
    );
    const devices: RebuiltDevice[] = [];
    for (const [id, root] of known) {
      const isTree = scan.isMappingLeaf(root) || scan.role(root) === blockRole.internal;
      if (isTree || details.has(id)) devices.push(this.#device(id, root, details.get(id), placed.grafts, time));
    }
    for (const [id, { block, mappings }] of found) {
      const known = details.get(id)!;
      devices.push({ details: known, root: block, mappedBefore: known.mappedBlocks, putBack: mappings });
    }
    // A device without mappings is whole without a tree.
    for (const empty of rootless.filter(({ mappedBlocks }) => mappedBlocks === 0)) {
      devices.push({ details: empty, root: undefined, mappedBefore: 0, putBack: 0 });
    }
    devices.sort((a, b) => a.details.id - b.details.id);
    const taken = new Set(found.values());
    this.pool = {
      devices,
      lostDevices: rootless.filter(({ id, mappedBlocks }) => mappedBlocks > 0 && !found.has(id)),
      grafts: placed.grafts,
      unplaced: placed.unplaced.filter((orphan) => !taken.has(orphan)),
      kept: devices.reduce((sum, device) => sum + device.details.mappedBlocks, 0),
      time,
    };
  }

  /** Counts the references of all that the commit has. Returns whether its metadata snapshot could be read, or it has none. */
  #surveyAll(roots: CommitRoots, known: ReadonlyMap<number, number>): boolean {
    const survey = this.#survey;
    const { dataSpaceMap, metadataSpaceMap, heldRoot = 0 } = roots;
    const others = [dataSpaceMap?.bitmapRoot, dataSpaceMap?.refCountRoot, metadataSpaceMap?.refCountRoot];
    for (const root of [roots.mappingRoot, roots.detailsRoot, ...others]) if (root !== undefined) survey.addOther(root);
    for (const root of known.values()) survey.addMappings(root);
    if (heldRoot === 0) return true;
    const copy = this.#snapshot(heldRoot);
    if (copy === undefined) return false;
    const held = readSuperblock(copy);
    survey.addOther(held.mappingRoot);
    survey.addOther(held.detailsRoot);
    const heldRoots = this.#candidates.rootsBelow(held.mappingRoot);
    for (const root of heldRoots.values()) survey.addMappings(root);
    return heldRoots.size === this.#candidates.detailsBelow(held.detailsRoot).size;
  }

  #snapshot(heldRoot: number): Block | undefined {
    const block = this.#scan.block(heldRoot);
    return block !== undefined && superblockFault(block) === undefined ? block : undefined;
  }

  #device(
    id: number,
    root: number,
    known: DeviceDetails | undefined,
    grafts: ReadonlyMap<number, readonly number[]>,
    time: number,
  ): RebuiltDevice {
    const { sums } = this.#candidates;
    const putBack = this.#survey
      .lostBelow(root)
      .flatMap(({ block }) => grafts.get(block) ?? [])
      .reduce((sum, block) => sum + sums.of(block).mappings, 0);
    const mappedBlocks = sums.of(root).mappings + putBack;
    const details = known ?? this.#detailsAnew(id, time);
    return { details: { ...details, mappedBlocks }, root, mappedBefore: known?.mappedBlocks, putBack };
  }

  /** With the time of now as that of its last snapshot: then all blocks count as shared, and none is written over that another device has. */
  #detailsAnew(id: number, time: number): DeviceDetails {
    this.#earlierDetails ??= this.#findEarlierDetails();
    const { transactionId = 0, creationTime = 0 } = this.#earlierDetails.get(id) ?? {};
    return { id, mappedBlocks: 0, transactionId, creationTime: Math.min(creationTime, time), snapshottedTime: time };
  }

  /** The latest details of each device, of whatever commit. */
  #findEarlierDetails(): Map<number, DeviceDetails> {
    const latest = new Map<number, DeviceDetails>();
    for (const leaf of this.#scan.of(blockRole.details)) {
      const words = this.#scan.words(leaf);
      for (let entry = 0; words !== undefined && entry < entryCount(words); entry++) {
        const id = keyAt(words, entry);
        const found = readDetails(words, valueAt(words, entry), id);
        if (found.snapshottedTime >= (latest.get(id)?.snapshottedTime ?? 0)) latest.set(id, found);
      }
    }
    return latest;
  }

  #latestTime(roots: CommitRoots, trees: readonly number[], details: ReadonlyMap<number, DeviceDetails>): number {
    let latest = roots.time;
    for (const root of trees) latest = Math.max(latest, this.#candidates.sums.of(root).time);
    for (const { creationTime, snapshottedTime } of details.values()) {
      latest = Math.max(latest, creationTime, snapshottedTime);
    }
    return Math.min(latest, largestTime);
  }
}
