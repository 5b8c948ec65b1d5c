import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { deviceSizeBytes } from "../linux/block-device.ts";
import { PoolBuilder } from "../metadata-tools/pool-builder.ts";
import type { RepairReport } from "../metadata-tools/repair/repair-report.ts";
import { repair } from "../metadata-tools/repair/repair.ts";
import { openBlockFile } from "../persistent-data/block-file.ts";
import { blockBytes } from "../persistent-data/block.ts";
import { mostMetadataBlocks } from "../persistent-data/metadata-limit.ts";
import { openReadAheadFile } from "../persistent-data/read-ahead-file.ts";

/** What is known of a pool from elsewhere, for when its superblock cannot be read. */
export interface KnownPool {
  /** Ids of the devices that it should hold. */
  deviceIds: ReadonlySet<number>;
  transactionId: number;
  dataBlockSectors: number;
  dataBytes: number;
}

/** A copy of a pool's metadata that can be read, and what was done for it. */
export interface RepairedMetadata {
  path: string;
  /** What was damaged and what was done, in plain words. */
  notes: string[];
  /** The original's superblock, or the root of a tree, is lost. */
  rootsLost: boolean;
  /** Devices whose mappings may be those of an earlier state of the pool. */
  doubtful: number[];
  /** Removes the copy. */
  remove(): void;
}

/** Not all nodes of trees are shared again: the copy, a sparse file, may become larger than the original. */
const roomier = 8;

/**
 * Repairs a pool's metadata into a copy, in a temporary folder; the original is only read.
 *
 * @throws Error saying why it cannot be repaired
 */
export async function repairMetadata(
  path: string,
  known: KnownPool,
  signal: AbortSignal | undefined,
): Promise<RepairedMetadata> {
  // A repair goes through without a pause: an interrupt that has come already is heard first.
  await setImmediate();
  signal?.throwIfAborted();
  const folder = mkdtempSync(join(tmpdir(), "mica-repair-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const copy = join(folder, "metadata");
    makeSparse(copy, Math.min(roomier * deviceSizeBytes(path), mostMetadataBlocks * blockBytes));
    const report = repairInto(path, copy, known);
    const rootsLost = report.superblock === "lost" || report.roots.source !== "superblock";
    return { path: copy, notes: notesOf(report, known), rootsLost, doubtful: doubtfulOf(report), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function repairInto(path: string, copy: string, known: KnownPool): RepairReport {
  const { deviceIds, transactionId, dataBlockSectors, dataBytes } = known;
  const dataBlocks = Math.floor(dataBytes / (dataBlockSectors * 512));
  const input = openReadAheadFile(path);
  try {
    const output = openBlockFile(copy);
    try {
      return repair(input, new PoolBuilder(output), {
        deviceIds,
        withoutSuperblock: { transactionId, dataBlockSize: dataBlockSectors, dataBlocks },
      });
    } finally {
      output.close();
    }
  } finally {
    input.close();
  }
}

function notesOf({ superblock, roots, devices }: RepairReport, { dataBlockSectors }: KnownPool): string[] {
  const notes: string[] = [];
  if (superblock === "lost") {
    notes.push(
      `the superblock is lost: its trees were looked for and found, and blocks of ${dataBlockSectors / 2} KiB were assumed`,
    );
  } else if (roots.source === "found") {
    notes.push("the root of a tree is lost: the latest one of before was looked for and found");
  } else if (roots.source === "rebuilt") {
    notes.push("the root of a tree is lost: what it led to was looked for and found");
  }
  const putBack = devices.reduce((sum, device) => sum + device.putBack, 0);
  if (putBack > 0) notes.push(`${putBack} mappings were found again and put back`);
  notes.push("the metadata was repaired in a copy: the original is as it was");
  return notes;
}

/** Devices of which the state may be an earlier one: all, or those that do not have what their details say. */
function doubtfulOf({ superblock, roots, devices }: RepairReport): number[] {
  if (superblock === "kept" && !roots.mayBeEarlier) return [];
  return devices.filter(({ lost }) => superblock === "kept" || lost !== 0).map(({ id }) => id);
}

/** A repair writes into what is there. */
function makeSparse(path: string, sizeBytes: number): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(fd, sizeBytes);
  } finally {
    closeSync(fd);
  }
}
