import { spawn } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deviceSizeBytes } from "../linux/block-device.ts";
import { errorCode } from "../linux/system-error.ts";
import { findRoots } from "../metadata-tools/find-roots.ts";
import { openBlockFile, type BlockFile } from "../persistent-data/block-file.ts";
import { superblockKind, type BlockKind } from "../persistent-data/block-kind.ts";
import { seal, sealFault } from "../persistent-data/block-seal.ts";
import { Block, blockBytes } from "../persistent-data/block.ts";
import { btreeNodeKind } from "../persistent-data/btree-node.ts";
import { readSuperblock, superblockFault, superblockLocation, writeSuperblock } from "../thin/superblock.ts";

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

const COPY_BYTES = 1 << 20;

/**
 * Repairs a pool's metadata into a copy, in a temporary folder, with thin_repair; the original is only read. Where the superblock or the
 * root of a tree is lost, thin_repair gets a copy with a superblock that names the trees that were found.
 *
 * @throws Error saying why it cannot be repaired
 */
export async function repairMetadata(
  path: string,
  known: KnownPool,
  signal: AbortSignal | undefined,
): Promise<RepairedMetadata> {
  const folder = mkdtempSync(join(tmpdir(), "mica-repair-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const notes: string[] = [];
    let input = path;
    let doubtful: number[] = [];
    const rootsLost = rootsAreLost(path);
    if (rootsLost) {
      input = join(folder, "with-roots");
      doubtful = copyWithRoots(path, input, known, notes);
    }
    const repaired = join(folder, "metadata");
    makeSparse(repaired, deviceSizeBytes(path));
    await thinRepair(input, repaired, signal);
    notes.push("the metadata was repaired by thin_repair, in a copy: the original is as it was");
    return { path: repaired, notes, rootsLost, doubtful, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function rootsAreLost(path: string): boolean {
  return withBlocks(path, (file) => {
    const superblock = soundSuperblock(file);
    if (superblock === undefined) return true;
    const { mappingRoot, detailsRoot } = readSuperblock(superblock);
    return [mappingRoot, detailsRoot].some((number) => soundBlock(file, number, btreeNodeKind) === undefined);
  });
}

function copyWithRoots(path: string, copy: string, known: KnownPool, notes: string[]): number[] {
  const { superblock, doubtful } = withBlocks(path, (file) => newSuperblock(file, known, notes));
  const from = openSync(path, "r");
  const to = openSync(copy, "wx", 0o600);
  try {
    const sizeBytes = deviceSizeBytes(path);
    ftruncateSync(to, sizeBytes);
    const buffer = Buffer.alloc(COPY_BYTES);
    for (let position = 0; position < sizeBytes; position += COPY_BYTES) {
      const bytes = readSync(from, buffer, 0, Math.min(COPY_BYTES, sizeBytes - position), position);
      if (!isZero(buffer.subarray(0, bytes))) writeSync(to, buffer, 0, bytes, position);
    }
    writeSync(to, superblock.bytes, 0, blockBytes, 0);
    return doubtful;
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

/** A superblock that names the trees that were found, with what the old one said where it can be read. */
function newSuperblock(file: BlockFile, known: KnownPool, notes: string[]): { superblock: Block; doubtful: number[] } {
  const found = findRoots(file, known.deviceIds);
  if (found === undefined) throw new Error("no tree of devices is left in it");
  const old = soundSuperblock(file);
  const dataBlocks = Math.floor(known.dataBytes / (known.dataBlockSectors * 512));
  const superblock = new Block(superblockLocation);
  if (old !== undefined) superblock.bytes.set(old.bytes);
  const none = { blocks: 0, allocated: 0, bitmapRoot: 0, refCountRoot: 0 };
  const fields = old === undefined ? undefined : readSuperblock(old);
  writeSuperblock(superblock, {
    needsCheck: false,
    version: fields?.version ?? 2,
    time: Math.max(fields?.time ?? 0, found.time),
    transactionId: fields?.transactionId ?? known.transactionId,
    heldRoot: 0,
    dataSpaceMap: fields?.dataSpaceMap ?? { ...none, blocks: dataBlocks },
    metadataSpaceMap: fields?.metadataSpaceMap ?? { ...none, blocks: file.sizeBlocks() },
    mappingRoot: found.mappingRoot,
    detailsRoot: found.detailsRoot,
    dataBlockSizeSectors: fields?.dataBlockSizeSectors ?? known.dataBlockSectors,
    metadataBlocks: fields?.metadataBlocks ?? file.sizeBlocks(),
  });
  seal(superblock, superblockKind);
  notes.push(
    old === undefined
      ? `the superblock is lost: its trees were looked for and found, and blocks of ${known.dataBlockSectors / 2} KiB were assumed`
      : "the root of a tree is lost: the latest one of before was looked for and found",
  );
  return { superblock, doubtful: old === undefined ? found.doubtful : [...found.details.keys()] };
}

function soundSuperblock(file: BlockFile): Block | undefined {
  const block = new Block(superblockLocation);
  file.read(superblockLocation, block.bytes);
  return superblockFault(block) === undefined ? block : undefined;
}

function soundBlock(file: BlockFile, number: number, kind: BlockKind): Block | undefined {
  if (number >= file.sizeBlocks()) return undefined;
  const block = new Block(number);
  file.read(number, block.bytes);
  return sealFault(block, kind) === undefined ? block : undefined;
}

function withBlocks<T>(path: string, use: (file: BlockFile) => T): T {
  const file = openBlockFile(path, { readOnly: true });
  try {
    return use(file);
  } finally {
    file.close();
  }
}

/** thin_repair writes into what is there; it has to be as large as the original. */
function makeSparse(path: string, sizeBytes: number): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(fd, sizeBytes);
  } finally {
    closeSync(fd);
  }
}

function thinRepair(input: string, output: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` };
    const child = spawn("thin_repair", ["-i", input, "-o", output], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      ...(signal !== undefined && { signal }),
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
    }
    child.once("error", (error) => {
      const missing = errorCode(error) === "ENOENT";
      reject(
        missing ? new Error("thin_repair is not installed; install thin-provisioning-tools and try again") : error,
      );
    });
    child.once("close", (status, killedBy) => {
      if (status === 0) resolve();
      else reject(new Error(`thin_repair failed (${killedBy ?? `status ${status}`}) ${said.trim()}`.trim()));
    });
  });
}

const zeroes = Buffer.alloc(COPY_BYTES);

function isZero(bytes: Buffer): boolean {
  return bytes.equals(zeroes.subarray(0, bytes.length));
}
