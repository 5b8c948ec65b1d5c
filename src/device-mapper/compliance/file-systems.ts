import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { until } from "../../linux/testing/until.ts";
import { type DeviceMapperSetup } from "./device-mapper-setup.ts";
import { runProgram } from "./run-program.ts";

const LARGE_MEBIBYTES = 32;

const fileSystems = [
  ["ext4", ["mkfs.ext4", "-q"], ["e2fsck", "-fn"]],
  ["xfs", ["mkfs.xfs", "-q", "-f"], ["xfs_repair", "-n"]],
] as const;

/** What the devices are for. @param devices how many are to be active at once */
export function fileSystemTests(makeSetup: () => DeviceMapperSetup, devices: number): void {
  describe("thin devices carry file systems", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    before(() => setup.create("pool", 512));
    after(() => setup.destroy());

    for (const [fs, [mkfs, ...options], [check, ...checkOptions]] of fileSystems) {
      test(`${fs} lives on one, and fstrim gives space back to the host`, async () => {
        const device = await setup.thin("pool", 1, 512, `with-${fs}`);
        assert.equal((await runProgram(mkfs, ...options, device)).status, 0);
        const point = setup.point(fs);
        await mountAsync(device, point, fs);
        const file = openSync(join(point, "large"), "w");
        for (let mebibyte = 0; mebibyte < LARGE_MEBIBYTES; mebibyte++) writeSync(file, Buffer.alloc(1 << 20, 7));
        closeSync(file);
        writeFileSync(join(point, "small"), "stays");
        assert.equal((await runProgram("sync", "-f", point)).status, 0);
        const hostBlocks = () => statSync(join(setup.folder, "pool.data")).blocks;
        const full = hostBlocks();
        rmSync(join(point, "large"));
        assert.equal((await runProgram("sync", "-f", point)).status, 0);
        // XFS frees a removed file's extents in the background, and the pool passes discards down at a commit.
        await until("the host's file shrinks", async () => {
          assert.equal((await runProgram("fstrim", point)).status, 0);
          assert.equal((await runProgram("sync", "-f", point)).status, 0);
          return hostBlocks() < full - (LARGE_MEBIBYTES << 10);
        });
        writeFileSync(join(point, "unsynced"), `only in memory of ${fs}`);
        await mapper.flush(`with-${fs}`);
        const found = holds(join(setup.folder, "pool.data"), `only in memory of ${fs}`);
        assert.ok(found, "what the file system had in memory is written out");
        assert.equal((await mapper.info(`with-${fs}`))?.open, true);
        await assert.rejects(mapper.remove(`with-${fs}`), { code: "EBUSY" });
        assert.equal(readFileSync(join(point, "small"), "utf8"), "stays");
        await unmountAsync(point);
        const checked = await runProgram(check, ...checkOptions, device);
        assert.equal(checked.status, 0, checked.output);
        await mapper.remove(`with-${fs}`);
        await mapper.message("pool", "delete 1");
      });
    }

    test(`${devices} devices are active at once`, async () => {
      await mapper.message("pool", "create_thin 1");
      const ids = Array.from({ length: devices }, (_, index) => 1000 + index);
      for (const id of ids) {
        await mapper.message("pool", `create_snap ${id} 1`);
        await mapper.create(`many-${id}`, `0 524288 thin pool ${id}`);
      }
      const many = (await mapper.list()).filter(({ name }) => name.startsWith("many-"));
      assert.equal(new Set(many.map(({ blockDevice }) => blockDevice)).size, devices);
      assert.equal((await mapper.info("pool"))?.openCount, devices);
      for (const { blockDevice } of many) {
        const fd = openSync(blockDevice!, "r+");
        writeSync(fd, blockDevice!);
        closeSync(fd);
      }
      for (const { name, blockDevice } of many) {
        const fd = openSync(blockDevice!, "r");
        closeSync(fd);
        await mapper.remove(name);
      }
      const { devices: inPool } = await mapper.usage("pool");
      assert.deepEqual(
        inPool.map(({ id }) => id),
        [1, ...ids],
      );
      assert.ok(
        inPool.slice(1).every(({ mappedBlocks, exclusiveBlocks }) => mappedBlocks === 1 && exclusiveBlocks === 1),
      );
    });

    test("nothing remains", async () => {
      await mapper.remove("pool");
      await setup.nothingRemains();
    });
  });
}

/** Whether a text is in a file, at the start of a block of a file system that is on it. */
function holds(path: string, text: string): boolean {
  const fd = openSync(path, "r");
  try {
    const part = Buffer.alloc(1 << 20);
    for (let at = 0, bytes; (bytes = readSync(fd, part, 0, part.length, at)) > 0; at += bytes) {
      if (part.subarray(0, bytes).includes(text)) return true;
    }
    return false;
  } finally {
    closeSync(fd);
  }
}
