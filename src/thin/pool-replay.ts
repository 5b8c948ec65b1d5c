import type { JournalRecord } from "./journal-record.ts";
import type { PoolCore } from "./pool-core.ts";
import { executePoolMessage, parsePoolMessage } from "./pool-message.ts";

/**
 * Takes over what a crashed engine left in the journal: its session always, its block changes when they extend the
 * committed superblock. They are in memory afterwards, uncommitted.
 *
 * @returns how many changes were replayed
 */
export function replayJournal(core: PoolCore): number {
  const { records, extendsSuperblock } = core.journal.remains(core.metadata.superblockChecksum());
  for (const record of records) replaySession(core, record);
  if (!extendsSuperblock) return 0;
  let changes = 0;
  try {
    for (const record of records) if (replayChange(core, record)) changes++;
  } catch (error) {
    core.log("error", `Cannot replay the journal: ${error instanceof Error ? error.message : String(error)}`);
    core.metadata.abort();
    core.freed.takeRuns();
    return 0;
  } finally {
    for (const { id } of core.metadata.details()) core.metadata.closeDevice(id);
  }
  for (const record of records) if (record.kind === "freed") passDownAgain(core, record.dataBlock, record.blocks);
  return changes;
}

function replaySession({ session }: PoolCore, record: JournalRecord): void {
  switch (record.kind) {
    case "activate": {
      const { id, sizeSectors, tag, origin, requestId } = record;
      session.active.set(id, { id, sizeSectors, tag, externalOriginPath: origin });
      session.remember(requestId, "");
      return;
    }
    case "deactivate":
      session.active.delete(record.id);
      session.remember(record.requestId, "");
      return;
    case "message":
    case "answer":
      session.remember(record.requestId, record.answer);
  }
}

function replayChange(core: PoolCore, record: JournalRecord): boolean {
  const { metadata } = core;
  switch (record.kind) {
    case "insert": {
      const mapping = metadata.openDevice(record.device);
      for (let index = 0; index < record.blocks; index++) {
        metadata.allocateDataBlockAt(record.dataBlock + index);
        const freed = mapping.insert(record.virtualBlock + index, record.dataBlock + index);
        if (freed >= 0) core.noteFreed(freed);
      }
      return true;
    }
    case "remove":
      metadata.openDevice(record.device).remove(record.begin, record.end, core.noteFreed);
      return true;
    case "message": {
      const message = parsePoolMessage(record.line);
      if (message.kind === "delete") metadata.closeDevice(message.id);
      executePoolMessage(metadata, message, core.flushData);
      return true;
    }
    default:
      return false;
  }
}

/** The engine may have died before it passed down what its last commit freed. */
function passDownAgain(core: PoolCore, dataBlock: number, blocks: number): void {
  for (let block = dataBlock; block < dataBlock + blocks; block++) {
    if (core.metadata.dataReferenceCount(block) === 0) core.data.discard(block * core.blockBytes, core.blockBytes);
  }
}
