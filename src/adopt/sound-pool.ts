import { FrozenPool } from "../frozen-pool/frozen-pool.ts";
import { repairMetadata, type KnownPool } from "./repair-metadata.ts";

/** A pool opened for reading, its metadata repaired into a copy where it was damaged. */
export interface SoundPool {
  /** Undefined where nothing of it can be read. */
  pool: FrozenPool | undefined;
  /**
   * Where the metadata was damaged, the pool as it is: what is lost cannot be read there, while in the repaired one there are zeroes in its
   * place. The same as `pool` where it is sound, and where the original's trees were lost as a whole.
   */
  strict: FrozenPool | undefined;
  /** `pool` is a repaired copy. */
  repaired: boolean;
  /** What is wrong with the original, and what was done about it. */
  problems: string[];
  /** Device ids, and how many of the blocks that each should have are lost. */
  lostBlocks: Map<number, number>;
  /** Device ids whose blocks may be those of an earlier state. */
  doubtful: Set<number>;
  /** Closes all, and removes the copy. */
  close(): void;
}

/** Of a long list, so many are told: one lost block often shows in hundreds of lines. */
const mostTold = 5;

/** Checks a pool's metadata and, where it is damaged, repairs it into a copy. The original is only read. */
export async function openSoundPool(
  files: { metadataPath: string; dataPath: string },
  known: KnownPool,
  signal: AbortSignal | undefined,
): Promise<SoundPool> {
  const { pool: original, faults } = openOriginal(files);
  // The check's own advice is for a pool that may be written to.
  const told = faults.slice(0, mostTold).map((fault) => fault.replace(/ Run "mica check".*$/, ""));
  const problems = told.map((fault) => `The pool's metadata is damaged: ${fault}`);
  if (faults.length > mostTold) problems.push(`The pool's metadata has ${faults.length - mostTold} faults more`);
  const asItIs: SoundPool = {
    pool: original,
    strict: original,
    repaired: false,
    problems,
    lostBlocks: new Map(),
    doubtful: new Set(),
    close: () => original?.close(),
  };
  if (faults.length === 0) return asItIs;
  try {
    return await repaired(files, known, asItIs, signal);
  } catch (error) {
    if (signal?.aborted === true) {
      original?.close();
      throw error;
    }
    const why = error instanceof Error ? error.message : String(error);
    problems.push(`The metadata could not be repaired into a copy: ${why}. What is readable in it is used`);
    return asItIs;
  }
}

function openOriginal(files: { metadataPath: string; dataPath: string }): {
  pool: FrozenPool | undefined;
  faults: string[];
} {
  try {
    const pool = FrozenPool.open(files);
    return { pool, faults: pool.problems().metadata };
  } catch (error) {
    return { pool: undefined, faults: [error instanceof Error ? error.message : String(error)] };
  }
}

async function repaired(
  files: { metadataPath: string; dataPath: string },
  known: KnownPool,
  asItIs: SoundPool,
  signal: AbortSignal | undefined,
): Promise<SoundPool> {
  const original = asItIs.pool;
  const copy = await repairMetadata(files.metadataPath, known, signal);
  try {
    const pool = FrozenPool.open({ ...files, metadataPath: copy.path });
    return {
      pool,
      strict: copy.rootsLost ? pool : original,
      repaired: true,
      problems: [...asItIs.problems, ...copy.notes.map((note) => `Repaired: ${note}`)],
      lostBlocks: lossesOf(original, pool),
      doubtful: new Set(copy.doubtful),
      close: () => {
        original?.close();
        pool.close();
        copy.remove();
      },
    };
  } catch (error) {
    copy.remove();
    throw error;
  }
}

/** What the original's own tree of devices promises, where it can be read, and the repaired pool does not have. */
function lossesOf(original: FrozenPool | undefined, repairedPool: FrozenPool): Map<number, number> {
  const left = new Map(repairedPool.devices().map(({ id, mappedBlocks }) => [id, mappedBlocks]));
  const lost = new Map<number, number>();
  for (const { id, mappedBlocks } of original?.devices() ?? []) {
    const missing = mappedBlocks - (left.get(id) ?? 0);
    if (missing > 0) lost.set(id, missing);
  }
  return lost;
}
