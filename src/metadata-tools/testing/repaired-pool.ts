import { blockBytes } from "../../persistent-data/block.ts";
import { ThinMetadata } from "../../thin/metadata.ts";
import { engineDump, RecordingBlockFile } from "../../thin/metadata.testing.ts";
import { readSuperblock } from "../../thin/superblock.ts";
import { Block } from "../../persistent-data/block.ts";
import { PoolBuilder } from "../pool-builder.ts";
import type { RepairReport } from "../repair/repair-report.ts";
import { repair } from "../repair/repair.ts";
import type { AgedPool, PoolModel } from "./aged-pools.ts";

/** A pool after its repair. */
export interface RepairedPool {
  readonly content: Uint8Array;
  readonly model: PoolModel;
  readonly report: RepairReport;
}

/** Metadata in memory. */
export function fileOf(content: Uint8Array): RecordingBlockFile {
  const file = new RecordingBlockFile(content.length / blockBytes);
  file.content.set(content);
  return file;
}

/** Repairs damaged metadata, with what the pool's superblock said for the case that it is lost. @throws as `repair` */
export function repairPool(pool: AgedPool, damaged: Uint8Array): RepairedPool {
  const block = new Block(0);
  block.bytes.set(pool.last.content.subarray(0, blockBytes));
  const { transactionId, dataBlockSizeSectors, dataSpaceMap } = readSuperblock(block);
  const output = new RecordingBlockFile(2 * (damaged.length / blockBytes));
  const report = repair(fileOf(damaged), new PoolBuilder(output), {
    withoutSuperblock: { transactionId, dataBlockSize: dataBlockSizeSectors, dataBlocks: dataSpaceMap.blocks },
  });
  return { content: output.content, model: engineDump(ThinMetadata.openOn(output)), report };
}
