import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type DeviceMapperSetup, readAt, writeAt } from "./device-mapper-setup.ts";
import { pattern } from "./pattern.ts";

const SECTOR = 512;
const BLOCK = 65536;

/** Thin devices over read-only origins that are no thin devices. */
export function externalOriginTests(makeSetup: () => DeviceMapperSetup): void {
  describe("external origins", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    before(() => setup.createShaped("pool", { sectors: 131072 }));
    after(() => setup.destroy());

    /** A device of so many sectors, each byte of which is known. */
    const makeOrigin = (name: string, sectors: number): { origin: string; bytes: Buffer } => {
      const origin = setup.device(name, sectors / 2048);
      const bytes = pattern(sectors * SECTOR, 1);
      writeAt(origin, 0, bytes);
      return { origin, bytes };
    };

    const activate = async (id: number, sectors: number, origin?: string): Promise<string> => {
      await mapper.create("volume", `0 ${sectors} thin pool ${id}${origin === undefined ? "" : ` ${origin}`}`);
      return setup.blockDevice("volume");
    };

    for (const [what, originSectors, sectors] of [
      ["as long as the device", 1024, 1024],
      ["shorter, ending between blocks", 512, 1024],
      ["shorter, ending inside a block", 512 + 37, 1024],
      ["shorter than a block", 11, 512],
      ["longer", 2048, 1024],
      ["longer than a device that ends inside a block", 2048, 1024 + 37],
    ] as const) {
      test(`an origin ${what}`, async () => {
        const { origin, bytes } = makeOrigin(`origin-${originSectors}-${sectors}`, originSectors);
        await mapper.message("pool", "create_thin 1");
        const device = await activate(1, sectors, origin);
        const expected = Buffer.alloc(sectors * SECTOR);
        bytes.copy(expected);
        const all = (): Buffer => readAt(device, 0, sectors * SECTOR);
        assert.deepEqual(all(), expected);
        assert.equal(await mapper.status("volume"), `0 ${sectors} thin 0 -`);
        const write = (position: number, length: number, seed: number): void => {
          const data = pattern(length, seed);
          writeAt(device, position, data);
          data.copy(expected, position);
        };
        // One sector, and the block around it is the origin's; then on both sides of the origin's end.
        write(3 * SECTOR, SECTOR, 2);
        assert.deepEqual(all(), expected);
        const end = Math.min(originSectors, sectors) * SECTOR;
        write(end - SECTOR, SECTOR, 3);
        assert.deepEqual(all(), expected);
        if (end < sectors * SECTOR) write(end, SECTOR, 4);
        write((sectors - 1) * SECTOR, SECTOR, 4);
        assert.deepEqual(all(), expected);
        assert.deepEqual(readAt(origin, 0, originSectors * SECTOR), bytes, "the origin is as it was");
        await mapper.remove("volume");
        // Without its origin it has its own blocks, and nothing else.
        const alone = readAt(await activate(1, sectors), 0, sectors * SECTOR);
        const [, , , mapped] = (await mapper.status("volume")).split(" ");
        assert.deepEqual(alone.subarray(0, BLOCK), expected.subarray(0, BLOCK));
        let own = 0;
        for (let at = 0; at < alone.length; at += BLOCK) {
          const block = alone.subarray(at, at + BLOCK);
          if (block.every((byte) => byte === 0)) continue;
          assert.deepEqual(block, expected.subarray(at, at + BLOCK));
          own++;
        }
        assert.equal(Number(mapped), own * 128);
        await mapper.remove("volume");
        await mapper.message("pool", "delete 1");
      });
    }

    test("a snapshot has the origin's bytes too, and both are written alone", async () => {
      const { origin, bytes } = makeOrigin("shared", 1024);
      await mapper.message("pool", "create_thin 1");
      const device = await activate(1, 1024, origin);
      writeAt(device, 0, pattern(4096, 2));
      await mapper.suspend("volume");
      await mapper.message("pool", "create_snap 2 1");
      await mapper.resume("volume");
      await mapper.create("snapshot", `0 1024 thin pool 2 ${origin}`);
      const snapshot = await setup.blockDevice("snapshot");
      const expected = Buffer.concat([pattern(4096, 2), bytes.subarray(4096)]);
      assert.deepEqual(readAt(snapshot, 0, 1024 * SECTOR), expected);
      writeAt(device, 3 * BLOCK, pattern(4096, 3));
      writeAt(snapshot, 4096, pattern(4096, 4));
      assert.deepEqual(readAt(snapshot, 3 * BLOCK, 4096), bytes.subarray(3 * BLOCK, 3 * BLOCK + 4096));
      assert.deepEqual(readAt(device, 4096, 4096), bytes.subarray(4096, 8192));
      assert.deepEqual(readAt(device, 3 * BLOCK + 4096, 4096), bytes.subarray(3 * BLOCK + 4096, 3 * BLOCK + 8192));
      await mapper.remove("snapshot");
      await mapper.remove("volume");
      await mapper.messages("pool", ["delete 2", "delete 1"]);
    });

    test("one that is not there is refused", async () => {
      await mapper.message("pool", "create_thin 1");
      await assert.rejects(activate(1, 1024, "/nonexistent/origin"), { name: "DeviceMapperError" });
      assert.equal(await mapper.info("volume"), undefined);
      await mapper.message("pool", "delete 1");
    });

    test("nothing remains", async () => {
      await mapper.remove("pool");
      await setup.nothingRemains();
    });
  });
}
