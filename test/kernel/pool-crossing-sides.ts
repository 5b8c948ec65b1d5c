import assert from "node:assert/strict";
import { closeSync, fsyncSync, openSync, readSync, truncateSync, writeSync } from "node:fs";
import { blockDiscard, blockZeroOut } from "../../src/linux/block-device.ts";
import { attachLoop, detachLoop, refreshLoopSize } from "../../src/linux/loop.ts";
import { parsePoolTable } from "../../src/thin/pool-table.ts";
import { Pool } from "../../src/thin/pool.ts";
import { runInShell } from "./pool-crossing-shell.ts";
import type { ThinVolume } from "../../src/thin/volume.ts";

/** A pool's two files and what its table says; the sizes may change while it is closed, or by `grow`. */
export interface PoolFiles {
  metadata: string;
  data: string;
  blockSectors: number;
  dataBlocks: number;
  metadataBlocks: number;
  features: readonly string[];
}

/** A pool that runs, in user space or in the kernel, as a test uses it. Every offset and length is in bytes. */
export interface PoolSide {
  message(line: string): void;
  /** @param externalOrigin a read-only file behind what is not mapped */
  activate(ids: readonly number[], sizeBytes: number, externalOrigin?: string): void;
  deactivate(id: number): void;
  snapshot(id: number, origin: number): void;
  /** Fills `into`. */
  read(id: number, offset: number, into: Buffer): void;
  write(id: number, offset: number, bytes: Buffer): void;
  /** Unmaps whole blocks, leaves the rest alone. */
  discard(id: number, offset: number, length: number): void;
  zero(id: number, offset: number, length: number): void;
  flush(id: number): void;
  /** Takes the files' new sizes over. */
  reload(): void;
  /** The targets' parts of all status lines: the pool's own, and the active devices' by id. */
  status(): { pool: string; volumes: Map<number, string> };
  /** Deactivates everything and stops the pool. */
  close(): void;
}

/** Gives both files the sizes that `files` says. */
export function sizeFiles(files: PoolFiles): void {
  truncateSync(files.metadata, files.metadataBlocks * 4096);
  truncateSync(files.data, files.dataBlocks * files.blockSectors * 512);
}

function tableOf(files: PoolFiles, metadata: string, data: string): string {
  const features = [files.features.length, ...files.features].join(" ");
  return `0 ${files.dataBlocks * files.blockSectors} thin-pool ${metadata} ${data} ${files.blockSectors} 4 ${features}`;
}

/** The project's engine, in this process. */
export class UserSide implements PoolSide {
  readonly #files: PoolFiles;
  readonly #pool: Pool;

  constructor(files: PoolFiles) {
    this.#files = files;
    this.#pool = Pool.open({ metadataPath: files.metadata, dataPath: files.data, table: this.#table() });
  }

  message(line: string): void {
    assert.equal(this.#pool.message(line), "");
  }

  activate(ids: readonly number[], sizeBytes: number, externalOrigin?: string): void {
    const origin = externalOrigin === undefined ? {} : { externalOriginPath: externalOrigin };
    for (const id of ids) this.#pool.activate(id, sizeBytes / 512, { tag: `v${id}`, ...origin });
  }

  deactivate(id: number): void {
    this.#pool.deactivate(id);
  }

  snapshot(id: number, origin: number): void {
    this.message(`create_snap ${id} ${origin}`);
  }

  read(id: number, offset: number, into: Buffer): void {
    assert.equal(this.#volume(id).read(into, 0, offset, into.length), 0);
  }

  write(id: number, offset: number, bytes: Buffer): void {
    assert.equal(this.#volume(id).write(bytes, 0, offset, bytes.length), 0);
  }

  discard(id: number, offset: number, length: number): void {
    assert.equal(this.#volume(id).discard(offset, length), 0);
  }

  zero(id: number, offset: number, length: number): void {
    assert.equal(this.#volume(id).punchHole(offset, length), 0);
  }

  flush(id: number): void {
    assert.equal(this.#volume(id).flush(), 0);
  }

  reload(): void {
    this.#pool.reload(this.#table());
  }

  status(): { pool: string; volumes: Map<number, string> } {
    const volumes = this.#pool.active().map(({ id }) => [id, this.#pool.volumeStatus(id).trim()] as const);
    return { pool: this.#pool.status().trim(), volumes: new Map(volumes) };
  }

  close(): void {
    assert.equal(this.#pool.close(), 0);
  }

  #table(): ReturnType<typeof parsePoolTable> {
    return parsePoolTable(tableOf(this.#files, this.#files.metadata, this.#files.data));
  }

  #volume(id: number): ThinVolume {
    const volume = this.#pool.volume(id);
    assert.ok(volume, `device ${id} is not active`);
    return volume;
  }
}

const pageBytes = 4096;

function dmsetup(...words: string[]): string {
  return runInShell(`dmsetup ${words.map((word) => `'${word}'`).join(" ")}`);
}

/**
 * The kernel's dm-thin over loop devices, driven by dmsetup so that nothing of the project is between. A program takes long to
 * start in User-mode Linux: what can be said at once, is.
 */
export class KernelSide implements PoolSide {
  readonly #files: PoolFiles;
  readonly #name: string;
  readonly #loops: string[] = [];
  readonly #origins: string[] = [];
  readonly #open = new Map<number, number>();

  constructor(files: PoolFiles, name = "crossing") {
    this.#files = files;
    this.#name = name;
    this.#loops.push(attachLoop(files.metadata), attachLoop(files.data));
    try {
      dmsetup("create", name, "--table", this.#table());
    } catch (error) {
      this.#loops.forEach((loop) => detachLoop(loop));
      throw error;
    }
  }

  message(line: string): void {
    dmsetup("message", this.#name, "0", line);
  }

  activate(ids: readonly number[], sizeBytes: number, externalOrigin?: string): void {
    if (ids.length === 0) return;
    if (externalOrigin !== undefined) this.#origins.push(attachLoop(externalOrigin, { readOnly: true }));
    const origin = externalOrigin === undefined ? "" : ` ${this.#origins.at(-1)!}`;
    const table = (id: number): string => `0 ${sizeBytes / 512} thin /dev/mapper/${this.#name} ${id}${origin}`;
    dmsetup("create", "--concise", ids.map((id) => `${this.#device(id)},,,rw,${table(id)}`).join(";"));
    for (const id of ids) this.#open.set(id, openSync(`/dev/mapper/${this.#device(id)}`, "r+"));
  }

  deactivate(id: number): void {
    this.#deactivate([id]);
  }

  snapshot(id: number, origin: number): void {
    this.flush(origin);
    dmsetup("suspend", this.#device(origin));
    try {
      this.message(`create_snap ${id} ${origin}`);
    } finally {
      dmsetup("resume", this.#device(origin));
    }
  }

  read(id: number, offset: number, into: Buffer): void {
    assert.equal(readSync(this.#fd(id), into, 0, into.length, offset), into.length);
  }

  write(id: number, offset: number, bytes: Buffer): void {
    assert.equal(writeSync(this.#fd(id), bytes, 0, bytes.length, offset), bytes.length);
  }

  discard(id: number, offset: number, length: number): void {
    // The ioctl drops, or clears, cached pages of its range, also those of partial blocks, which the pool leaves alone.
    this.flush(id);
    const begin = Math.ceil(offset / pageBytes) * pageBytes;
    const end = Math.floor((offset + length) / pageBytes) * pageBytes;
    if (begin < end) blockDiscard(this.#fd(id), begin, end - begin);
  }

  zero(id: number, offset: number, length: number): void {
    if (offset % pageBytes !== 0 || length % pageBytes !== 0) return this.write(id, offset, Buffer.alloc(length));
    this.flush(id);
    blockZeroOut(this.#fd(id), offset, length);
  }

  flush(id: number): void {
    fsyncSync(this.#fd(id));
  }

  reload(): void {
    this.#loops.forEach(refreshLoopSize);
    dmsetup("load", this.#name, "--table", this.#table());
    dmsetup("suspend", this.#name);
    dmsetup("resume", this.#name);
  }

  status(): { pool: string; volumes: Map<number, string> } {
    for (const id of this.#open.keys()) this.flush(id);
    const lines = dmsetup("status").matchAll(/^(\S+): \d+ \d+ thin(?:-pool)? (.*?) *$/gm);
    const found = new Map([...lines].map(([, name, status]) => [name, status]));
    const volumes = [...this.#open.keys()].map((id) => [id, found.get(this.#device(id))!] as const);
    return { pool: found.get(this.#name)!, volumes: new Map(volumes) };
  }

  close(): void {
    this.#deactivate([...this.#open.keys()]);
    dmsetup("remove", this.#name);
    for (const loop of [...this.#loops, ...this.#origins]) detachLoop(loop);
  }

  #deactivate(ids: readonly number[]): void {
    if (ids.length === 0) return;
    for (const id of ids) {
      this.flush(id);
      closeSync(this.#fd(id));
      this.#open.delete(id);
    }
    dmsetup("remove", ...ids.map((id) => this.#device(id)));
  }

  #table(): string {
    const [metadata, data] = this.#loops;
    return tableOf(this.#files, metadata, data);
  }

  #device(id: number): string {
    return `${this.#name}-${id}`;
  }

  #fd(id: number): number {
    const fd = this.#open.get(id);
    assert.ok(fd !== undefined, `device ${id} is not active`);
    return fd;
  }
}
