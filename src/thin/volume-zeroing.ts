import type { BlockWriter, WritableVolume } from "./block-writer.ts";
import { needsCommit } from "./pool-core.ts";
import type { PoolCore } from "./pool-core.ts";
import type { RequestStatus } from "./request-status.ts";

/** Blocks unmapped between two looks at the metadata's reserve. */
const unmapStepBlocks = 4096;
/** Freed blocks that may wait to be passed down before a commit is worth it. */
const freedLimit = 1 << 18;
const zeroes = new Uint8Array(1024 * 1024);

/** Unmaps virtual blocks `begin` to `end` (excluded). May throw what the metadata throws. */
export function unmapBlocks(core: PoolCore, volume: WritableVolume, begin: number, end: number): RequestStatus {
  const { mapping } = volume;
  const last = Math.min(end, mapping.highestMapped() + 1);
  let at = begin;
  while (at < last) {
    let status = core.readinessToUnmap();
    if (status === needsCommit || core.freed.count > freedLimit) status = core.commitForSpace();
    if (status !== 0) return status;
    const stop = Math.min(last, at + unmapStepBlocks);
    if (mapping.remove(at, stop, core.noteFreed) > 0) {
      volume.changed = true;
      core.touch();
      status = core.journaled(core.journal.append({ kind: "remove", device: volume.id, begin: at, end: stop }));
      if (status !== 0) return status;
    }
    at = stop;
  }
  return core.unmapped();
}

/**
 * Makes a range read as zeroes.
 * @param own what becomes of whole blocks that this device alone maps
 */
export function zeroRange(
  core: PoolCore,
  writer: BlockWriter,
  volume: WritableVolume,
  offset: number,
  length: number,
  own: "unmap" | "keep",
): RequestStatus {
  const { blockBytes } = core;
  const end = offset + length;
  // Blocks that would show the origin's data once unmapped.
  const originBlocks = volume.origin === undefined ? 0 : Math.ceil(volume.origin.sizeBytes / blockBytes);
  const mappedEnd = (volume.mapping.highestMapped() + 1) * blockBytes;
  let at = offset;
  while (at < end) {
    const block = Math.floor(at / blockBytes);
    if (block >= originBlocks && at >= mappedEnd) return 0;
    const blockEnd = (block + 1) * blockBytes;
    const whole = at === block * blockBytes && blockEnd <= end;
    let status: RequestStatus;
    if (whole && block >= originBlocks && own === "unmap") {
      const lastWhole = Math.floor(end / blockBytes);
      status = unmapBlocks(core, volume, block, lastWhole);
      at = lastWhole * blockBytes;
    } else {
      const stop = Math.min(end, blockEnd);
      status = zeroSegment(core, writer, volume, at, stop - at, whole);
      at = stop;
    }
    if (status !== 0) return status;
  }
  return 0;
}

/** Zeroes a range inside one block. */
function zeroSegment(
  core: PoolCore,
  writer: BlockWriter,
  volume: WritableVolume,
  offset: number,
  length: number,
  whole: boolean,
): RequestStatus {
  const { mapping, origin } = volume;
  const block = Math.floor(offset / core.blockBytes);
  const showsOrigin = origin !== undefined && block * core.blockBytes < origin.sizeBytes;
  const dataBlock = mapping.lookup(block);
  if (dataBlock < 0 && !showsOrigin) return 0;
  if (dataBlock >= 0) {
    if (!mapping.isShared()) {
      const status = core.data.zero(dataBlock * core.blockBytes + (offset - block * core.blockBytes), length);
      return status === 0 ? 0 : core.dataFailed(status);
    }
    if (whole && !showsOrigin) return unmapBlocks(core, volume, block, block + 1);
  }
  for (let done = 0; done < length; done += zeroes.length) {
    const status = writer.write(volume, zeroes, 0, offset + done, Math.min(zeroes.length, length - done));
    if (status !== 0) return status;
  }
  return 0;
}
