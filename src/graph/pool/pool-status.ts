import { GraphError } from "../graph-error.ts";

/** A thin pool's status line, read. */
export interface PoolStatus {
  sectors: number;
  transactionId: number;
  usedMetadataBlocks: number;
  totalMetadataBlocks: number;
  usedDataBlocks: number;
  totalDataBlocks: number;
  /** `rw`, `ro` or `out_of_data_space`. */
  mode: string;
  needsCheck: boolean;
}

/** Metadata blocks of a thin pool are this long. */
export const metadataBlockBytes = 4096;

/**
 * Reads `0 SECTORS thin-pool TRANSACTION USED/TOTAL USED/TOTAL HELD MODE …` (thin-provisioning.rst).
 *
 * @throws GraphError EIO when the pool has failed
 */
export function parsePoolStatus(pool: string, line: string): PoolStatus {
  const fields = line.trim().split(/\s+/);
  const [, sectors, target, transaction, metadata = "", data = "", , mode = ""] = fields;
  const metadataBlocks = /^(\d+)\/(\d+)$/.exec(metadata);
  const dataBlocks = /^(\d+)\/(\d+)$/.exec(data);
  if (target !== "thin-pool" || metadataBlocks === null || dataBlocks === null) {
    throw new GraphError(
      "EIO",
      `Cannot use pool ${pool}: its status is '${line.trim()}'. The kernel's log (dmesg), or that of its engine, says why. Shut down (mica shutdown), ` +
        "then check and repair its metadata: thin_check and thin_repair, or lvconvert --repair for LVM's pool",
    );
  }
  return {
    sectors: Number(sectors),
    transactionId: Number(transaction),
    usedMetadataBlocks: Number(metadataBlocks[1]),
    totalMetadataBlocks: Number(metadataBlocks[2]),
    usedDataBlocks: Number(dataBlocks[1]),
    totalDataBlocks: Number(dataBlocks[2]),
    mode,
    needsCheck: fields.includes("needs_check"),
  };
}
