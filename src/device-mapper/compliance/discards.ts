import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { until } from "../../linux/testing/until.ts";
import { type DeviceMapperSetup, discard, readAt, whetherHeld, writeAt, writeZeroes } from "./device-mapper-setup.ts";

const BLOCK = 65536;
const bytes = (blocks: number, value: number): Buffer => Buffer.alloc(blocks * BLOCK, value);

/** What is given back, and what is not. */
export function discardTests(makeSetup: () => DeviceMapperSetup): void {
  describe("discards", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    after(() => setup.destroy());

    const used = async (pool: string): Promise<number> => {
      const [, , , , , data] = (await mapper.status(pool)).split(" ");
      return Number(data.split("/")[0]);
    };
    const mappedBlocks = async (name: string): Promise<number> =>
      Number((await mapper.status(name)).split(" ")[3]) / 128;
    /** What the host's file holds, in bytes. */
    const held = (pool: string): number => statSync(join(setup.folder, `${pool}.data`)).blocks * 512;
    const committed = (pool: string): Promise<string> => mapper.message(pool, "set_transaction_id 0 0");

    test("unmap whole blocks, which read as zeroes then and go back to the host", async () => {
      await setup.createShaped("pool", { sectors: 131072 });
      const device = await setup.thin("pool", 1, 16, "volume");
      writeAt(device, 0, bytes(16, 5));
      const full = held("pool");
      discard(device, 4 * BLOCK, 4 * BLOCK);
      assert.equal(await mappedBlocks("volume"), 12);
      assert.deepEqual(readAt(device, 4 * BLOCK, 4 * BLOCK), bytes(4, 0));
      assert.deepEqual(readAt(device, 3 * BLOCK, BLOCK), bytes(1, 5));
      assert.deepEqual(readAt(device, 8 * BLOCK, BLOCK), bytes(1, 5));
      await until("the host's file shrinks", async () => {
        await committed("pool");
        return held("pool") <= full - 4 * BLOCK;
      });
      assert.equal(await used("pool"), 12);
      discard(device, 0, 256 * BLOCK);
      assert.equal(await mapper.status("volume"), "0 32768 thin 0 -");
      await committed("pool");
      assert.equal(await used("pool"), 0);
      assert.deepEqual(readAt(device, 0, 16 * BLOCK), bytes(16, 0));
    });

    test("of parts of blocks leave the blocks, and everything around, where they are", async () => {
      const device = await setup.blockDevice("volume");
      writeAt(device, 0, bytes(4, 6));
      discard(device, 4096, 8192);
      assert.equal(await mappedBlocks("volume"), 4);
      assert.deepEqual(readAt(device, 0, 4096), Buffer.alloc(4096, 6));
      assert.deepEqual(readAt(device, 12288, BLOCK), bytes(1, 6));
      // From the middle of one block to the middle of the last: those between go.
      discard(device, BLOCK / 2, 3 * BLOCK);
      assert.equal(await mappedBlocks("volume"), 2);
      assert.deepEqual(readAt(device, BLOCK, 2 * BLOCK), bytes(2, 0));
      assert.deepEqual(readAt(device, 12288, BLOCK / 2 - 12288), Buffer.alloc(BLOCK / 2 - 12288, 6));
      assert.deepEqual(readAt(device, 3 * BLOCK + BLOCK / 2, BLOCK / 2), Buffer.alloc(BLOCK / 2, 6));
      discard(device, 0, 256 * BLOCK);
    });

    test("of what was never written do nothing", async () => {
      const device = await setup.blockDevice("volume");
      discard(device, 32 * BLOCK, 32 * BLOCK);
      assert.equal(await mapper.status("volume"), "0 32768 thin 0 -");
      await committed("pool");
      assert.equal(await used("pool"), 0);
    });

    test("of every other block leave the others", async () => {
      const device = await setup.blockDevice("volume");
      writeAt(device, 0, bytes(32, 7));
      for (let block = 0; block < 32; block += 2) discard(device, block * BLOCK, BLOCK);
      assert.equal(await mappedBlocks("volume"), 16);
      const read = readAt(device, 0, 32 * BLOCK);
      for (let block = 0; block < 32; block++) assert.equal(read[block * BLOCK + 9], block % 2 === 0 ? 0 : 7);
      discard(device, 0, 256 * BLOCK);
      await committed("pool");
      assert.equal(await used("pool"), 0);
    });

    test("of shared blocks are the device's own, and the last one frees", async () => {
      const device = await setup.blockDevice("volume");
      writeAt(device, 0, bytes(8, 8));
      await mapper.suspend("volume");
      await mapper.message("pool", "create_snap 2 1");
      await mapper.resume("volume");
      discard(device, 0, 8 * BLOCK);
      await committed("pool");
      assert.equal(await mapper.status("volume"), "0 32768 thin 0 -");
      assert.equal(await used("pool"), 8);
      await mapper.create("snapshot", "0 32768 thin pool 2");
      const snapshot = await setup.blockDevice("snapshot");
      assert.deepEqual(readAt(snapshot, 0, 8 * BLOCK), bytes(8, 8));
      discard(snapshot, 0, 4 * BLOCK);
      await committed("pool");
      assert.equal(await used("pool"), 4);
      assert.deepEqual(readAt(snapshot, 4 * BLOCK, 4 * BLOCK), bytes(4, 8));
      await setup.removeAll("pool", "snapshot", "volume");
    });

    test("with no_discard_passdown they free blocks of the pool, and the host's file stays", async () => {
      await setup.createShaped("kept", { sectors: 131072, features: "1 no_discard_passdown" });
      const device = await setup.thin("kept", 1, 16, "volume");
      writeAt(device, 0, bytes(16, 5));
      await committed("kept");
      const full = held("kept");
      discard(device, 0, 16 * BLOCK);
      await committed("kept");
      assert.deepEqual([await used("kept"), await mapper.status("volume")], [0, "0 32768 thin 0 -"]);
      assert.equal(held("kept"), full);
      // A block that is used again must not show what it held.
      writeAt(device, 4096, Buffer.alloc(4096, 9));
      assert.deepEqual(readAt(device, 0, 4096), Buffer.alloc(4096));
      assert.deepEqual(readAt(device, 8192, 4096), Buffer.alloc(4096));
      await setup.removeAll("kept", "volume");
    });

    test("with ignore_discard they are not supported", async () => {
      await setup.createShaped("ignoring", { sectors: 131072, features: "1 ignore_discard" });
      const device = await setup.thin("ignoring", 1, 16, "volume");
      writeAt(device, 0, bytes(4, 5));
      assert.throws(() => discard(device, 0, 4 * BLOCK), { code: "EOPNOTSUPP" });
      assert.equal(await mappedBlocks("volume"), 4);
      assert.deepEqual(readAt(device, 0, 4 * BLOCK), bytes(4, 5));
      assert.match(await mapper.status("ignoring"), / rw ignore_discard queue_if_no_space - /);
      await setup.removeAll("ignoring", "volume");
    });

    const makesRoom = (what: string, pool: string, free: (first: string) => Promise<void>): void => {
      test(`${what} makes room in a full pool, and writes that waited go on`, async () => {
        await setup.createShaped(pool, { sectors: 64 * 128 });
        const first = await setup.thin(pool, 1, 4, "first");
        await setup.thin(pool, 2, 4, "second");
        assert.equal((await writeZeroes(first, 4)).status, 0);
        const writing = writeZeroes(await setup.blockDevice("second"), 2);
        await until("the pool is full", async () => / 64\/64 - out_of_data_space /.test(await mapper.status(pool)));
        assert.equal(await whetherHeld(writing), "held");
        await free(first);
        assert.equal((await writing).status, 0);
        assert.match(await mapper.status(pool), / 32\/64 - rw /);
        assert.deepEqual(await mapper.checkMetadata(pool), []);
        await setup.removeAll(pool, "second");
      });
    };
    makesRoom("a discard", "discarded", async (first) => {
      discard(first, 0, 64 * BLOCK);
      await committed("discarded"); // the kernel's pool does not commit by itself while it is full
      await mapper.remove("first");
    });
    makesRoom("deleting a device", "deleted", async () => {
      await mapper.remove("first");
      await mapper.message("deleted", "delete 1");
    });

    test("nothing remains", async () => {
      await setup.nothingRemains();
    });
  });
}
