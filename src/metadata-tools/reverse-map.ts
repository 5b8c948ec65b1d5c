import { MappingRuns } from "./mapping-runs.ts";
import { NumberColumns } from "./number-columns.ts";
import type { PoolReader } from "./pool-reader.ts";
import { radixOrder } from "./radix-order.ts";

/** Data blocks from `begin` up to, not including, `end`. */
export interface DataRegion {
  readonly begin: number;
  readonly end: number;
}

/** Told who has a run of data blocks, and where. */
export type OnOwner = (dataBlock: number, length: number, device: number, virtualBlock: number) => void;

// Columns of a run.
const dataColumn = 0;
const lengthColumn = 1;
const deviceColumn = 2;
const virtualColumn = 3;

/** Tells which devices map the data blocks of regions, see `joinRegions`: ascending by data block, where that is equal by device. */
export function reverseMap(reader: PoolReader, regions: readonly DataRegion[], onOwner: OnOwner): void {
  const found = new NumberColumns(4);
  for (const [device, root] of reader.mappingRoots()) {
    const runs = new MappingRuns((virtualBlock, dataBlock, _, length) => {
      for (const region of regions) {
        const begin = Math.max(region.begin, dataBlock);
        const end = Math.min(region.end, dataBlock + length);
        if (begin < end) found.add(begin, end - begin, device, virtualBlock + begin - dataBlock);
      }
    }, "any time");
    reader.walkMappings(root, `thin device ${device}`, (words) => runs.add(words));
    runs.end();
  }
  for (const row of radixOrder(found.rows, (index) => found.get(index, dataColumn))) {
    onOwner(
      found.get(row, dataColumn),
      found.get(row, lengthColumn),
      found.get(row, deviceColumn),
      found.get(row, virtualColumn),
    );
  }
}

/** Regions in ascending order, those that meet or overlap made one. */
export function joinRegions(regions: readonly DataRegion[]): DataRegion[] {
  const joined: { begin: number; end: number }[] = [];
  for (const { begin, end } of [...regions].sort((a, b) => a.begin - b.begin)) {
    const last = joined.at(-1);
    if (last !== undefined && begin <= last.end) last.end = Math.max(last.end, end);
    else joined.push({ begin, end });
  }
  return joined;
}
