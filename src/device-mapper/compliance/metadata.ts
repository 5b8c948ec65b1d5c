import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type DeviceMapperSetup, readAt, writeAt } from "./device-mapper-setup.ts";
import { runProgram } from "./run-program.ts";

const BLOCK = 65536;

/** Snapshots, and what can be learnt of a running pool's metadata. */
export function metadataTests(makeSetup: () => DeviceMapperSetup): void {
  describe("snapshots share blocks, and the metadata tell who has which", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    let first: string;
    let snap: string;
    let metadataDevice: string;
    before(async () => {
      metadataDevice = (await setup.create("pool", 64)).split(" ")[3];
      first = await setup.thin("pool", 1, 64, "first");
      writeAt(first, 0, Buffer.alloc(16 * BLOCK, 1));
      await mapper.suspend("first");
      await mapper.message("pool", "create_snap 40 1");
      await mapper.resume("first");
      await mapper.create("snap", "0 131072 thin pool 40");
      snap = await setup.blockDevice("snap");
    });
    after(() => setup.destroy());

    test("they share until they are written", async () => {
      assert.equal(readAt(snap, 1000)[0], 1);
      assert.deepEqual((await mapper.locate("pool", 1, 0)).owners.sort(), [1, 40]);
      writeAt(snap, 0, Buffer.alloc(BLOCK, 2));
      assert.deepEqual((await mapper.locate("pool", 1, 0)).owners, [1]);
      const [here, there] = [await mapper.locate("pool", 1, 0), await mapper.locate("pool", 40, 0)];
      assert.notEqual(here.dataBlock, there.dataBlock);
      assert.deepEqual([here.time, there.time], [0, 1]);
      assert.deepEqual(await mapper.locate("pool", 1, 500), { dataBlock: undefined, time: undefined, owners: [] });
      assert.deepEqual([readAt(first, 0)[0], readAt(snap, 0)[0], readAt(snap, BLOCK)[0]], [1, 2, 1]);
    });

    test("usage says what each has, and has alone", async () => {
      const { devices, blockSizeSectors } = await mapper.usage("pool");
      assert.equal(blockSizeSectors, 128);
      const common = { mappedBlocks: 16, exclusiveBlocks: 1, transactionId: 0, snapshottedTime: 1 };
      assert.deepEqual(devices, [
        { id: 1, creationTime: 0, ...common },
        { id: 40, creationTime: 1, ...common },
      ]);
    });

    test("the list of devices has those that are not active, and the transaction they are of", async () => {
      await mapper.message("pool", "set_transaction_id 0 7");
      await mapper.message("pool", "create_thin 3");
      const devices = await mapper.thinDevices("pool");
      assert.deepEqual(
        devices.map(({ id, transactionId, mappedBlocks }) => [id, transactionId, mappedBlocks]),
        [
          [1, 0, 16],
          [3, 7, 0],
          [40, 0, 16],
        ],
      );
      await mapper.message("pool", "delete 3");
      assert.deepEqual(
        (await mapper.thinDevices("pool")).map(({ id }) => id),
        [1, 40],
      );
      assert.match(await mapper.status("pool"), /^0 131072 thin-pool 7 \d+\/\d+ 17\/1024 - /);
    });

    test("nothing that was asked leaves a trace, and the pool can be suspended meanwhile", async () => {
      await mapper.suspend("pool");
      assert.deepEqual(
        (await mapper.thinDevices("pool")).map(({ id }) => id),
        [1, 40],
      );
      assert.equal((await mapper.usage("pool")).devices.length, 2);
      assert.deepEqual(await mapper.checkMetadata("pool"), []);
      assert.equal((await mapper.info("pool"))?.suspended, true);
      await mapper.resume("pool");
      assert.match(await mapper.status("pool"), / 17\/1024 - rw /);
      assert.equal((await mapper.info("pool"))?.suspended, false);
    });

    test("metadata that are sound are found so, while the pool is used", async () => {
      const writing = runProgram("dd", "if=/dev/urandom", `of=${first}`, "bs=64k", "count=300", "oflag=direct");
      for (let round = 0; round < 3; round++) {
        assert.deepEqual(await mapper.checkMetadata("pool"), []);
        assert.equal((await mapper.thinDevices("pool")).length, 2);
      }
      assert.equal((await writing).status, 0);
      assert.equal((await mapper.thinDevices("pool"))[0].mappedBlocks, 300);
      assert.deepEqual(await mapper.checkMetadata("pool"), []);
    });

    test("a metadata snapshot is reserved once, seen in the status, and released", async () => {
      await mapper.message("pool", "reserve_metadata_snap");
      const held = (await mapper.status("pool")).split(" ")[6];
      assert.match(held, /^\d+$/);
      await assert.rejects(mapper.message("pool", "reserve_metadata_snap"), { code: "EBUSY" });
      await mapper.message("pool", "create_snap 41 40");
      const dumped = await runProgram("thin_dump", `--metadata-snap=${held}`, metadataDevice);
      assert.equal(dumped.status, 0, dumped.output);
      assert.match(dumped.output, /dev_id="40"/);
      assert.doesNotMatch(dumped.output, /dev_id="41"/);
      await mapper.message("pool", "release_metadata_snap");
      assert.equal((await mapper.status("pool")).split(" ")[6], "-");
      await mapper.message("pool", "delete 41");
    });

    test("what a snapshot has that its origin has not is counted", async () => {
      await mapper.suspend("snap");
      await mapper.message("pool", "create_snap 42 40");
      await mapper.resume("snap");
      assert.equal(await mapper.addedBlocks("pool", 42, 40), 0);
      writeAt(snap, 900 * BLOCK, Buffer.alloc(3 * BLOCK, 3));
      writeAt(snap, 1000, Buffer.alloc(512, 3));
      assert.equal(await mapper.addedBlocks("pool", 40, 42), 4);
      assert.equal(await mapper.addedBlocks("pool", 42, 40), 1);
      const added = { kind: "mapped", begin: 900, length: 3 };
      const rewritten = { kind: "mapped", begin: 0, length: 1 };
      assert.deepEqual((await mapper.changedBlocks("pool", 40, 42, 0)).runs, [rewritten, added]);
      assert.deepEqual((await mapper.changedBlocks("pool", 42, 40, 1)).runs, [{ ...added, kind: "unmapped" }]);
      assert.deepEqual((await mapper.changedBlocks("pool", 40, undefined, 1)).runs.at(0), {
        ...added,
        begin: 1,
        length: 15,
      });
      await assert.rejects(mapper.addedBlocks("pool", 43, 40), { code: "ENODATA" });
      await mapper.message("pool", "delete 42");
    });

    test("nothing remains, and thin_check agrees", async () => {
      for (const name of ["snap", "first", "pool"]) await mapper.remove(name);
      const checked = await runProgram("thin_check", metadataDevice);
      assert.equal(checked.status, 0, checked.output);
      await setup.nothingRemains();
    });
  });
}
