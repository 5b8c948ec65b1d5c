import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { getopt } from "../src/cli/thin/getopt.ts";
import type { TableSource } from "../src/cli/thin/thin-source.ts";
import { ToolLine } from "../src/cli/thin/tool-line.ts";
import { migrate, tool } from "../src/cli/thin/tools/thin-migrate.ts";
import { TestPool } from "../src/device-mapper/userspace/test-pool.ts";
import { lockFileSync } from "../src/linux/flock.ts";
import { deviceNumber } from "../src/linux/device-path.ts";
import { attachLoop, detachLoop } from "../src/linux/loop.ts";
import { makeBlockFile } from "../src/thin/metadata.testing.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { lacksRequirement, micaCommand } from "./cli-support.ts";
import { ours, scratchFolder } from "./thin-tools-support.ts";

const blockBytes = 64 * 1024;
/** The last block is a part of one. */
const deviceBytes = 20 * blockBytes - 4096;

/** A device 1, and a snapshot of it, 2, with other blocks; block devices that read as they do; and a device mapper that knows their tables. */
class Copied {
  readonly folder: string;
  readonly devices: TableSource;
  readonly #paths = new Map<number, string>();

  constructor(t: TestContext) {
    this.folder = scratchFolder(t);
    const path = this.file("metadata");
    makeBlockFile(path, 64);
    const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: 100 });
    metadata.createThin(1);
    const insert = (id: number, blocks: readonly number[]): void => {
      for (const block of blocks) metadata.openDevice(id).insert(block, metadata.allocateDataBlock());
    };
    insert(1, [0, 1, 2, 5, 9, 19]);
    metadata.createSnapshot(2, 1);
    insert(2, [2, 3, 12]);
    metadata.openDevice(2).remove(5, 6);
    metadata.reserveMetadataSnapshot(() => undefined);
    metadata.commit(() => undefined);
    metadata.close();
    this.#content("1", { 0: 1, 1: 2, 2: 3, 5: 4, 9: 5, 19: 6 });
    this.#content("2", { 0: 1, 1: 2, 2: 7, 3: 8, 9: 5, 12: 9, 19: 6 });
    writeFileSync(this.file("pool"), Buffer.alloc(blockBytes));
    const loops = new Map(["pool", "1", "2"].map((name) => [name, attachLoop(this.file(name))]));
    t.after(() => loops.forEach((loop) => detachLoop(loop, { deferred: true })));
    const tables = new Map([["pool", `thin-pool ${path} /dev/null 128 0`]]);
    for (const id of ["1", "2"]) {
      this.#paths.set(Number(id), loops.get(id)!);
      tables.set(id, `thin ${deviceNumber(loops.get("pool")!)} ${id}`);
    }
    this.devices = {
      list: () =>
        Promise.resolve(
          [...loops].map(([name, loop]) => {
            const [major, minor] = deviceNumber(loop).split(":").map(Number);
            return { name, major, minor };
          }),
        ),
      table: (name) => {
        const [target, ...parameters] = tables.get(name)!.split(" ");
        return Promise.resolve([{ start: 0, length: deviceBytes / 512, target, parameters: parameters.join(" ") }]);
      },
    };
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  /** Writes a file as it is read: a byte all over each block. */
  #content(name: string, blocks: Readonly<Record<number, number>>): void {
    const bytes = Buffer.alloc(20 * blockBytes);
    for (const [block, byte] of Object.entries(blocks))
      bytes.fill(byte, Number(block) * blockBytes, (Number(block) + 1) * blockBytes);
    writeFileSync(this.file(name), bytes.subarray(0, deviceBytes));
  }

  migrate(id: number, ...words: string[]): Promise<number> {
    return migrate(this.devices, this.#paths.get(id)!, new ToolLine(getopt(["-q", ...words], tool.options)));
  }

  requireCopy(copy: string, id: number): void {
    assert.ok(readFileSync(this.file(copy)).equals(readFileSync(this.file(String(id)))), `${copy} is device ${id}`);
  }
}

suite("thin_migrate", () => {
  test("finds the pool of a device in user space", async (t) => {
    if (lacksRequirement(t)) return;
    const pool = new TestPool();
    t.after(() => pool.destroy());
    await pool.create("pool", 64);
    const origin = await pool.thin("pool", 1, 16);
    writeFileSync(origin, "copied", { flag: "r+" });
    await pool.mapper.flush("pool-1");
    await pool.mapper.message("pool", "create_snap 2 1");
    await pool.mapper.create("snapshot", "0 32768 thin pool 2");
    await pool.mapper.message("pool", "reserve_metadata_snap");
    const { blockDevice } = (await pool.mapper.info("snapshot"))!;
    const copy = join(pool.folder, "copy");
    const { stderr } = await promisify(execFile)(
      process.execPath,
      [micaCommand, "thin_migrate", "--source-dev", blockDevice!, "--dest-file", copy],
      { env: { ...process.env, MICA_RUN_DIR: pool.runDir } },
    );
    assert.equal(stderr, "65536 bytes copied\n");
    assert.ok(readFileSync(copy).equals(readFileSync(blockDevice!)));
    for (const name of ["snapshot", "pool-1", "pool"]) await pool.mapper.remove(name);
  });

  test("copies a device to a file, and brings that up to a snapshot of it", async (t) => {
    if (lacksRequirement(t)) return;
    const copied = new Copied(t);
    const copy = copied.file("copy");
    writeFileSync(copy, "what was there before");
    assert.equal(await copied.migrate(1, "--dest-file", copy), 0);
    copied.requireCopy("copy", 1);
    // A claim ends with its process, which this is.
    const next = copied.file("next");
    copyFileSync(copy, next);
    assert.equal(await copied.migrate(2, "--delta-id", "1", "--dest-file", next, "--buffer-size-meg", "1"), 0);
    copied.requireCopy("next", 2);
  });

  test("copies to a device, and zeroes what is not mapped where that is asked for", async (t) => {
    if (lacksRequirement(t)) return;
    const copied = new Copied(t);
    const disks = ["one", "other"].map((name) => {
      writeFileSync(copied.file(name), Buffer.alloc(deviceBytes, 0xff));
      const disk = attachLoop(copied.file(name));
      t.after(() => detachLoop(disk, { deferred: true }));
      return disk;
    });
    assert.equal(await copied.migrate(2, "--dest-dev", disks[0]), 0);
    assert.equal(readFileSync(copied.file("one"))[4 * blockBytes], 0xff);
    assert.equal(await copied.migrate(2, "--dest-dev", disks[1], "--zero-dest"), 0);
    copied.requireCopy("other", 2);
  });

  test("refuses what cannot be copied, and where it cannot go", async (t) => {
    if (lacksRequirement(t)) return;
    const copied = new Copied(t);
    const copy = copied.file("copy");
    writeFileSync(copied.file("small"), Buffer.alloc(4096));
    const small = attachLoop(copied.file("small"));
    t.after(() => detachLoop(small, { deferred: true }));
    const held = copied.file("held");
    writeFileSync(held, "");
    const lock = lockFileSync(held);
    t.after(() => lock.release());
    for (const [words, says] of [
      [["--dest-dev", small], /that has 4096 bytes, and the device \d+/],
      [["--dest-file", copy, "--delta-id", "9"], /device 9: the metadata snapshot does not have it/],
      [["--dest-file", copied.file("none"), "--delta-id", "1"], /there is no such file/],
      [["--dest-file", small], /it is a block device/],
      [["--dest-file", held], /a pool runs on it/],
      [["--dest-file", copy, "--dest-dev", small], /cannot use/],
      [["--dest-file", copy, "--buffer-size-meg", "0"], /takes 1 to/],
      [[], /not specified/],
    ] as const) {
      await assert.rejects(copied.migrate(1, ...words), says);
    }
    await assert.rejects(
      migrate(copied.devices, small, new ToolLine(getopt(["--dest-file", copy], tool.options))),
      /no device of/,
    );
    const metadata = ThinMetadata.open(copied.file("metadata"));
    metadata.releaseMetadataSnapshot();
    metadata.commit(() => undefined);
    metadata.close();
    await assert.rejects(copied.migrate(1, "--dest-file", copy), /there is none. Reserve one/);
    assert.match(ours("thin_migrate", "--dest-file", copy).stderr, /^--source-dev not specified/);
  });
});
