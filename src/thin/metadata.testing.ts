import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BlockFile } from "../persistent-data/block-file.ts";
import { blockBytes } from "../persistent-data/block.ts";
import type { ThinMetadata } from "./metadata.ts";

/** Whether Debian's thin-provisioning-tools are here: the judges. */
export const haveThinTools = existsSync("/usr/sbin/thin_check");

/** Runs `body` with a fresh folder and removes that, whatever happens. */
export async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "mica-metadata-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes a sparse file of so many metadata blocks. */
export function makeBlockFile(path: string, blocks: number): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, blocks * blockBytes);
  closeSync(fd);
}

/** What thin_check has against a file, "" for nothing. */
export function thinCheckComplaints(path: string, options: string[] = []): string {
  const run = spawnSync("/usr/sbin/thin_check", [...options, path], { encoding: "utf8" });
  return run.status === 0 ? "" : `${run.stdout}${run.stderr}` || `exit ${String(run.status)}`;
}

/** A device as thin_dump, or the engine, tells it. */
export interface DumpedDevice {
  mappedBlocks: number;
  transactionId: number;
  creationTime: number;
  snapshottedTime: number;
  /** Virtual block → "data block@time". */
  mappings: Map<number, string>;
}

function attribute(line: string, name: string): number {
  return Number(new RegExp(` ${name}="(\\d+)"`).exec(line)![1]);
}

/** Runs thin_dump and reads its XML. */
export function thinDump(path: string, options: string[] = []): Map<number, DumpedDevice> {
  const xml = execFileSync("/usr/sbin/thin_dump", [...options, path], { encoding: "utf8", maxBuffer: 1 << 30 });
  const devices = new Map<number, DumpedDevice>();
  let device: DumpedDevice | undefined;
  for (const line of xml.split("\n")) {
    if (line.includes("<device ")) {
      device = {
        mappedBlocks: attribute(line, "mapped_blocks"),
        transactionId: attribute(line, "transaction"),
        creationTime: attribute(line, "creation_time"),
        snapshottedTime: attribute(line, "snap_time"),
        mappings: new Map(),
      };
      devices.set(attribute(line, "dev_id"), device);
    } else if (line.includes("<single_mapping ")) {
      device!.mappings.set(
        attribute(line, "origin_block"),
        `${attribute(line, "data_block")}@${attribute(line, "time")}`,
      );
    } else if (line.includes("<range_mapping ")) {
      const [begin, data, length, time] = ["origin_begin", "data_begin", "length", "time"].map((n) =>
        attribute(line, n),
      );
      for (let i = 0; i < length; i++) device!.mappings.set(begin + i, `${data + i}@${time}`);
    }
  }
  return devices;
}

/** What the engine itself says, in the same form. */
export function engineDump(metadata: ThinMetadata): Map<number, DumpedDevice> {
  const devices = new Map<number, DumpedDevice>();
  for (const { id, mappedBlocks, transactionId, creationTime, snapshottedTime } of metadata.details()) {
    const mappings = new Map<number, string>();
    const mapping = metadata.openDevice(id);
    for (const { virtualBlock, dataBlock, time, blocks } of mapping.mappings()) {
      for (let i = 0; i < blocks; i++) mappings.set(virtualBlock + i, `${dataBlock + i}@${time}`);
    }
    devices.set(id, { mappedBlocks, transactionId, creationTime, snapshottedTime, mappings });
  }
  return devices;
}

/** Numbers that look random and are the same each time (mulberry32). */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** One step of what reached a device. */
export type Step = { write: number; bytes: Uint8Array } | "flush";

/** Metadata blocks in memory, with a record of what was written and flushed. */
export class RecordingBlockFile implements BlockFile {
  readonly readOnly = false;
  readonly steps: Step[] = [];
  readonly content: Uint8Array;
  /** Called before each write; may throw. */
  beforeWrite: (firstBlock: number) => void = () => undefined;

  constructor(blocks: number) {
    this.content = new Uint8Array(blocks * blockBytes);
  }
  sizeBlocks(): number {
    return this.content.length / blockBytes;
  }
  read(block: number, into: Uint8Array): void {
    into.set(this.content.subarray(block * blockBytes, (block + 1) * blockBytes));
  }
  write(firstBlock: number, blocks: readonly Uint8Array[]): void {
    this.beforeWrite(firstBlock);
    for (const [i, bytes] of blocks.entries()) {
      this.content.set(bytes, (firstBlock + i) * blockBytes);
      this.steps.push({ write: firstBlock + i, bytes: bytes.slice() });
    }
  }
  flush(): void {
    this.steps.push("flush");
  }
  close(): void {
    // Nothing is held.
  }
}
