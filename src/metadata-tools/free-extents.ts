import type { ThinMetadata } from "../thin/metadata.ts";

/** Data blocks that follow one another. */
export interface Extent {
  readonly begin: number;
  readonly blocks: number;
}

/** The data blocks to which nothing in a pool refers, in ascending order, as long as they go. */
export function* freeExtents(metadata: ThinMetadata): IterableIterator<Extent> {
  let begin = 0;
  for (let block = 0; block <= metadata.dataBlocks; block++) {
    if (block < metadata.dataBlocks && metadata.dataReferenceCount(block) === 0) continue;
    if (block > begin) yield { begin, blocks: block - begin };
    begin = block + 1;
  }
}
