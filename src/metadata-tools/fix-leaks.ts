import type { ThinMetadata } from "../thin/metadata.ts";
import type { Leaks } from "./examination.ts";

/** Brings counts that are too high down to the references that there are, and commits that: the blocks that have none are free then. */
export function fixLeaks(metadata: ThinMetadata, leaks: Leaks): void {
  const { data, transaction } = metadata.trees;
  for (const { block, stored, found } of leaks.data) {
    for (let excess = stored - found; excess > 0; excess--) data.counts.decrement(block);
  }
  for (const { block, stored, found } of leaks.metadata) {
    for (let excess = stored - found; excess > 0; excess--) transaction.decrement(block);
  }
  metadata.commit(() => undefined);
}
