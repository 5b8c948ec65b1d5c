import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ThinMetadata } from "../metadata.ts";
import { parsePoolTable } from "../pool-table.ts";
import { Pool } from "../pool.ts";
import { MemoryDisk } from "./memory-disk.ts";
import { memoryBlockFile, memoryDataDevice, MemoryJournalFile } from "./memory-devices.ts";

/** What a test's pool looks like. */
export interface TestPoolOptions {
  readonly blockSizeSectors?: number;
  readonly dataBlocks?: number;
  readonly metadataBlocks?: number;
  readonly lowWaterMarkBlocks?: number;
  readonly features?: readonly string[];
}

/** The disks of a pool in memory, from which it is opened, killed and opened again. The clock stands still. */
export class TestPool {
  data: MemoryDisk;
  metadata: MemoryDisk;
  journal = new MemoryJournalFile();
  nowMs = 0;
  readonly log: string[] = [];
  tableLine: string;
  #pool: Pool | undefined;

  constructor(options: TestPoolOptions = {}) {
    const { blockSizeSectors = 128, dataBlocks = 256, metadataBlocks = 512, lowWaterMarkBlocks = 0 } = options;
    const features = options.features ?? [];
    this.data = new MemoryDisk("data", dataBlocks * blockSizeSectors * 512);
    this.metadata = new MemoryDisk("metadata", metadataBlocks * 4096);
    const words = [dataBlocks * blockSizeSectors, "thin-pool meta data", blockSizeSectors, lowWaterMarkBlocks];
    this.tableLine = `0 ${words.join(" ")} ${[features.length, ...features].join(" ")}`;
  }

  get pool(): Pool {
    assert.ok(this.#pool, "the test's pool is not open");
    return this.#pool;
  }

  open(): Pool {
    const table = parsePoolTable(this.tableLine);
    const openMetadata = (): ThinMetadata => {
      const file = memoryBlockFile(this.metadata);
      if (!this.metadata.isHole(0, 4096)) return ThinMetadata.openOn(file);
      const dataBlocks = Math.floor(table.sectors / table.blockSizeSectors);
      return ThinMetadata.formatOn(file, { dataBlockSize: table.blockSizeSectors, dataBlocks });
    };
    this.#pool = Pool.open({
      metadataPath: "meta",
      dataPath: "data",
      table,
      now: () => this.nowMs,
      log: (level, message) => this.log.push(`${level}: ${message}`),
      devices: { data: memoryDataDevice(this.data), journal: this.journal, openMetadata },
    });
    return this.#pool;
  }

  /** The engine dies; the next one finds the page cache and the journal as they were. */
  kill(): Pool {
    this.pool.abandon();
    return this.open();
  }

  /** The machine dies: what was not flushed is lost, and the journal too. */
  powerCut(): Pool {
    this.pool.abandon();
    this.data.powerCut();
    this.metadata.powerCut();
    this.journal.bytes = new Uint8Array(0);
    return this.open();
  }

  /** Debian's thin_check on the metadata as it is on the disk. */
  thinCheck(): void {
    thinCheck(this.metadata);
  }
}

/** Fails the test with what Debian's thin_check has to say about a metadata disk. */
export function thinCheck(metadata: MemoryDisk, ...options: string[]): void {
  const folder = mkdtempSync(join(tmpdir(), "mica-thin-check-"));
  try {
    const bytes = Buffer.alloc(metadata.sizeBytes);
    metadata.read(bytes, 0, 0, bytes.length);
    writeFileSync(join(folder, "metadata"), bytes);
    thinCheckFile(join(folder, "metadata"), ...options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Fails the test with what Debian's thin_check has to say about a metadata file. */
export function thinCheckFile(path: string, ...options: string[]): void {
  const run = spawnSync("thin_check", [...options, path], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` },
  });
  assert.equal(run.error, undefined, "thin_check (Debian's thin-provisioning-tools) is needed");
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
}
