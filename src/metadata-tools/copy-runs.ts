import { delta } from "./delta.ts";
import { MappingRuns } from "./mapping-runs.ts";
import type { PoolReader } from "./pool-reader.ts";

/** Told, in ascending order, that a copy's blocks are to be copied from the device, or to be made zeroes, as the device maps none there. */
export type OnCopyRun = (kind: "copy" | "zero", firstBlock: number, blocks: number) => void;

/** What makes a copy of a device, whatever was there before: all its blocks, up to `sizeBlocks`. */
export function wholeCopy(reader: PoolReader, root: number, sizeBlocks: number, onRun: OnCopyRun): void {
  let next = 0;
  const zeroUpTo = (block: number): void => {
    if (block > next) onRun("zero", next, block - next);
  };
  const runs = new MappingRuns((virtualBlock, _dataBlock, _time, length) => {
    const blocks = Math.min(length, sizeBlocks - virtualBlock);
    if (blocks <= 0) return;
    zeroUpTo(virtualBlock);
    onRun("copy", virtualBlock, blocks);
    next = virtualBlock + blocks;
  }, "any time");
  reader.walkMappings(root, `mapping tree at metadata block ${root}`, (words) => runs.add(words));
  runs.end();
  zeroUpTo(sizeBlocks);
}

/** What makes a copy of a device of a copy of another one: the blocks in which they differ. */
export function changedCopy(
  reader: PoolReader,
  roots: { readonly base: number; readonly device: number },
  sizeBlocks: number,
  onRun: OnCopyRun,
): void {
  delta(reader, roots.base, roots.device, (kind, virtualBlock, _leftData, _rightData, length) => {
    const blocks = Math.min(length, sizeBlocks - virtualBlock);
    if (kind === "same" || blocks <= 0) return;
    onRun(kind === "left_only" ? "zero" : "copy", virtualBlock, blocks);
  });
}
