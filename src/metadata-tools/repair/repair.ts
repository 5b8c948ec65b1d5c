import type { BlockFile } from "../../persistent-data/block-file.ts";
import type { Superblock } from "../../thin/superblock.ts";
import { type DumpOptions, dumpTrees, type PoolSink } from "../dump.ts";
import { PoolReader } from "../pool-reader.ts";
import { LimitedSink, type ToldDevice } from "./limited-sink.ts";
import type { RebuiltDevice, RebuiltPool } from "./rebuild.ts";
import { isSound, type KnownOfPool, namedState, planRepair, type RepairPlan } from "./repair-plan.ts";
import type { DeviceRepair, RepairReport } from "./repair-report.ts";

/** What to tell of a damaged pool, and what is known of it. */
export type RepairOptions = Omit<DumpOptions, "description"> & KnownOfPool;

/** Of what was found to be damaged so much is told: one fault often shows in thousands of blocks. */
const mostDamage = 1000;

/**
 * Tells a sink all that can be saved of a pool's metadata. Where the superblock is lost, or trees that it names, the best ones are looked for in
 * all of the device (`findRoots`); what was below nodes that are lost is looked for and put back (`placeOrphans`). Space maps are not told: a
 * sink counts anew.
 *
 * @throws ThinError EINVAL when too little is known of the pool, or there is nothing to be found; nothing was told the sink then
 */
export function repair(file: BlockFile, sink: PoolSink, options: RepairOptions = {}): RepairReport {
  const named = namedState(file);
  const plan = named !== undefined && isSound(file, named) ? soundPlan(file, named) : planRepair(file, options);
  const { superblock, pool, report } = plan;
  const limited = new LimitedSink(sink);
  const damage: string[] = [];
  const reader = new PoolReader(
    file,
    superblock,
    (problem, keys) => {
      limited.lose(keys);
      if (damage.length < mostDamage) damage.push(problem);
    },
    pool.grafts,
  );
  if (report.roots.source === "rebuilt") {
    // The devices are told as the plan has them; here it shows what is wrong with the trees that should tell them.
    reader.mappingRoots();
    reader.details();
  }
  const { description, ...rest } = options;
  dumpTrees(reader, pool.devices, limited, { ...rest, description: { time: pool.time, ...description } });
  return {
    ...report,
    devices: [
      ...pool.devices.map((device) =>
        deviceRepair(device, options.skipMappings === true ? undefined : limited.told.get(device.details.id)),
      ),
      ...pool.lostDevices.map(lostDevice),
    ].sort((a, b) => a.id - b.id),
    unplaced: pool.unplaced.map(({ block, firstKey, lastKey, mappings }) => ({
      block,
      firstBlock: firstKey,
      lastBlock: lastKey,
      mappings,
    })),
    damage: [...damage, ...limited.beyond],
  };
}

/** All that a sound superblock leads to. */
function soundPlan(file: BlockFile, superblock: Superblock): RepairPlan {
  const reader = new PoolReader(file, superblock);
  const details = reader.details();
  const devices = [...reader.mappingRoots()].map(([id, root]): RebuiltDevice => {
    const known = details.get(id)!;
    return { details: known, root, mappedBefore: known.mappedBlocks, putBack: 0 };
  });
  const { time, transactionId, mappingRoot, detailsRoot } = superblock;
  const kept = devices.reduce((sum, device) => sum + device.details.mappedBlocks, 0);
  return {
    superblock,
    pool: { devices, lostDevices: [], grafts: new Map(), unplaced: [], kept, time },
    report: {
      superblock: "kept",
      roots: {
        source: "superblock",
        mappingRoot,
        detailsRoot,
        time,
        transactionId,
        mayBeEarlier: false,
        why: "those that the superblock names",
      },
    },
  };
}

/** @param told what the sink was told of it; undefined where it was not asked for, and what there is to be told counts */
function deviceRepair({ details, mappedBefore, putBack }: RebuiltDevice, told: ToldDevice | undefined): DeviceRepair {
  const kept = told === undefined ? details.mappedBlocks : told.mappings;
  const lost = mappedBefore === undefined ? null : mappedBefore - kept;
  return {
    id: details.id,
    kept,
    putBack,
    lost,
    lostRanges: lost === 0 ? [] : (told?.lostRanges ?? []),
    state: mappedBefore === undefined ? "details made anew" : "kept",
  };
}

function lostDevice({ id, mappedBlocks }: RebuiltPool["lostDevices"][number]): DeviceRepair {
  return { id, kept: 0, putBack: 0, lost: mappedBlocks, lostRanges: [], state: "lost" };
}
