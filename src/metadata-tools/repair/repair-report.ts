/** Blocks of a device: from `begin` up to, not including, `end`; to its end where that is null. */
export interface LostRange {
  readonly begin: number;
  readonly end: number | null;
}

/** What became of a device. */
export interface DeviceRepair {
  readonly id: number;
  /** Mappings in the repaired pool. */
  readonly kept: number;
  /** Of those: that nothing that can be read leads to, and that were found and put back. */
  readonly putBack: number;
  /** Mappings that its details say it had, and that are not in the repaired pool; null where the details are lost. */
  readonly lost: number | null;
  /** Among which blocks what is lost was: no more than the first of them, where there are very many. */
  readonly lostRanges: readonly LostRange[];
  /**
   * `kept`: what was found of it. `details made anew`: they were lost, and only which blocks are shared is certain. `lost`: only its details
   * are left, and it is not in the repaired pool.
   */
  readonly state: "kept" | "details made anew" | "lost";
}

/** Mappings that belong to the pool, and of which nothing tells to which device. */
export interface UnplacedMappings {
  /** Metadata block of the node. */
  readonly block: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly mappings: number;
}

/** Which trees were read. */
export interface ChosenRoots {
  /**
   * `superblock`: those that it names. `rebuilt`: the tree of devices or of details that it names cannot be read whole, and was put together from
   * what is left of that commit. `found`: looked for in all of the device.
   */
  readonly source: "superblock" | "rebuilt" | "found";
  /** Null where the tree as a whole is lost. */
  readonly mappingRoot: number | null;
  readonly detailsRoot: number | null;
  /** The pool's time, and its transaction id, as they are in the repaired pool. */
  readonly time: number;
  readonly transactionId: number;
  /** Whether these may be the trees of an earlier commit than the last. */
  readonly mayBeEarlier: boolean;
  /** Why these, in plain words. */
  readonly why: string;
}

/** What a repair did, and what it could not do. */
export interface RepairReport {
  readonly superblock: "kept" | "lost";
  readonly roots: ChosenRoots;
  /** By ascending id. */
  readonly devices: readonly DeviceRepair[];
  readonly unplaced: readonly UnplacedMappings[];
  /** What was found to be damaged, in plain words. */
  readonly damage: readonly string[];
}

const mostRangesTold = 5;

/** Whether all that the pool had is in the repaired one, and nothing that it had not. */
export function isWhole({ roots, devices, unplaced }: RepairReport): boolean {
  return (
    roots.source !== "found" &&
    unplaced.length === 0 &&
    devices.every(({ lost, state }) => lost === 0 && state === "kept")
  );
}

/** A report for a reader, line by line: nothing where nothing was damaged. */
export function repairLines({ superblock, roots, devices, unplaced, damage }: RepairReport): string[] {
  const lines = damage.map((problem) => `damaged: ${problem}`);
  if (superblock === "lost") lines.push("the superblock is lost");
  if (roots.source !== "superblock") lines.push(`trees: ${roots.why}`);
  lines.push(...devices.flatMap(deviceLines));
  for (const { block, firstBlock, lastBlock, mappings } of unplaced) {
    lines.push(
      `lost: ${mappings} mappings of blocks ${firstBlock} to ${lastBlock}, in metadata block ${block}: of which device they are cannot be told`,
    );
  }
  return lines;
}

function deviceLines({ id, kept, putBack, lost, lostRanges, state }: DeviceRepair): string[] {
  const lines: string[] = [];
  if (state === "lost") return [`lost: thin device ${id}: as a whole, with ${lost ?? "all its"} mappings`];
  if (state === "details made anew") {
    lines.push(`thin device ${id}: its details are lost, and were made anew; all that it has counts as shared`);
  }
  if (putBack > 0) lines.push(`thin device ${id}: ${putBack} mappings were found again and put back`);
  if (lost !== null && lost < 0) lines.push(`thin device ${id}: it has ${-lost} mappings more than its details say`);
  if (lost === 0 || (lost === null && lostRanges.length === 0)) return lines;
  if (lost !== null && lost < 0) return lines;
  const told = lostRanges
    .slice(0, mostRangesTold)
    .map(({ begin, end }) => (end === null ? `${begin} on` : `${begin} to ${end - 1}`));
  if (lostRanges.length > mostRangesTold) told.push(`${lostRanges.length - mostRangesTold} ranges more`);
  const where = told.length === 0 ? "" : `, among blocks ${told.join(", ")}`;
  lines.push(
    `lost: thin device ${id}: ${lost ?? "an unknown number of"} mappings of ${lost === null ? "an unknown number" : kept + lost}${where}`,
  );
  return lines;
}
