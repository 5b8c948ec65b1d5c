import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { blockBytes } from "../persistent-data/block.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { ThinMetadata } from "../thin/metadata.ts";
import {
  engineDump,
  haveThinTools,
  RecordingBlockFile,
  seededRandom,
  type Step,
  thinCheckComplaints,
  withFolder,
} from "../thin/metadata.testing.ts";
import { check } from "./check.ts";

const blocks = 1000;

function nothing(): void {
  // There is no data here to flush.
}

/** Some changes to commit: writes, snapshots, discards, deletions. */
function change(metadata: ThinMetadata, round: number, random: (below: number) => number): void {
  const ids = [...metadata.details()].map(({ id }) => id);
  if (round % 3 === 0 || ids.length === 0) metadata.createThin(100 + round);
  else metadata.createSnapshot(100 + round, ids[random(ids.length)]);
  for (const { id } of [...metadata.details()].slice(-3)) {
    const mapping = metadata.openDevice(id);
    for (let i = random(200); i > 0; i--) mapping.insert(random(1000), metadata.allocateDataBlock());
    if (random(2) === 0) mapping.remove(random(1000), 1000);
  }
  if (ids.length > 6) {
    metadata.closeDevice(ids[0]);
    metadata.deleteThin(ids[0]);
  }
  if (round % 7 === 3 && metadata.heldRoot === 0) metadata.reserveMetadataSnapshot(nothing);
  else if (metadata.heldRoot !== 0) metadata.releaseMetadataSnapshot();
}

/** The medium after the steps before `cut`, of which those after the last flush may or may not have reached it. */
function mediumAfter(initial: Uint8Array, steps: Step[], cut: number, arrived: () => boolean): RecordingBlockFile {
  const file = new RecordingBlockFile(blocks);
  file.content.set(initial);
  const lastFlush = steps.lastIndexOf("flush", cut - 1);
  for (const [i, step] of steps.slice(0, cut).entries()) {
    if (step === "flush" || (i > lastFlush && !arrived())) continue;
    file.content.set(step.bytes, step.write * blockBytes);
  }
  return file;
}

test("cut off at any write, a commit leaves the old state or the new one", (t) => {
  return withFolder((folder) => {
    const random = seededRandom(7);
    const file = new RecordingBlockFile(blocks);
    const metadata = ThinMetadata.formatOn(file, { dataBlockSize: 128, dataBlocks: 40000 });
    const initial = file.content.slice();
    file.steps.length = 0;
    // What the device looked like after so many steps.
    const states = [{ steps: 0, dump: engineDump(metadata) }];
    for (let round = 0; round < 14; round++) {
      change(metadata, round, random);
      // A commit inside `change`, for the metadata snapshot, has its own state.
      metadata.commit(nothing);
      states.push({ steps: file.steps.length, dump: engineDump(metadata) });
    }
    const allowedAt = (cut: number): unknown[] => {
      const reached = states.findLastIndex(({ steps }) => steps <= cut);
      return states.slice(reached, reached + 2).map(({ dump }) => dump);
    };
    let judged = 0;
    for (let cut = 0; cut <= file.steps.length; cut++) {
      for (const arrived of [() => true, () => random(2) === 0]) {
        const medium = mediumAfter(initial, file.steps, cut, arrived);
        assert.deepEqual(check(medium), [], `after ${cut} steps`);
        const dump = engineDump(ThinMetadata.openOn(medium));
        const allowed = allowedAt(cut);
        assert.ok(
          allowed.some((state) => equal(state, dump)),
          `after ${cut} steps neither the old nor the new state`,
        );
        if (!haveThinTools || cut % 5 !== 0) continue;
        const path = join(folder, "metadata");
        writeFileSync(path, medium.content);
        assert.equal(thinCheckComplaints(path), "");
        judged++;
      }
    }
    t.diagnostic(`${file.steps.length} steps, ${judged} judged by thin_check too`);
  });
});

function equal(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

test("a commit that the system fails can be tried again, and loses nothing", () => {
  const file = new RecordingBlockFile(blocks);
  const metadata = ThinMetadata.formatOn(file, { dataBlockSize: 128, dataBlocks: 4000 });
  metadata.createThin(1);
  const mapping = metadata.openDevice(1);
  for (let block = 0; block < 1000; block++) mapping.insert(block, metadata.allocateDataBlock());
  let failures = 3;
  file.beforeWrite = (first) => {
    if (failures-- > 0) throw new MetadataError("ENOSPC", `Cannot write metadata block ${first}: no space left`);
  };
  assert.throws(() => metadata.commit(nothing), { code: "ENOSPC" });
  mapping.insert(5000, metadata.allocateDataBlock());
  metadata.createSnapshot(2, 1);
  assert.throws(() => metadata.commit(nothing), { code: "ENOSPC" });
  mapping.remove(10, 20);
  assert.throws(() => metadata.commit(nothing), { code: "ENOSPC" });
  assert.ok(metadata.changed);
  metadata.commit(nothing);
  assert.equal(metadata.changed, false);
  assert.deepEqual(check(file), []);
  assert.deepEqual(engineDump(ThinMetadata.openOn(file)), engineDump(metadata));
});
