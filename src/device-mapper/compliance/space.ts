import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { until } from "../../linux/testing/until.ts";
import { type DeviceMapperSetup, whetherHeld, writeZeroes } from "./device-mapper-setup.ts";

/** Low-water marks, full pools, growth, and the events that tell of them. */
export function spaceTests(makeSetup: () => DeviceMapperSetup): void {
  describe("a pool's space", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    after(() => setup.destroy());

    const eventNumber = async (name: string) => (await mapper.info(name))!.eventNumber;

    test("at the low-water mark whoever waits is told, once", async () => {
      await setup.create("low", 8);
      const device = await setup.thin("low", 1, 64);
      const before = await eventNumber("low");
      const waiting = setup.another().waitForEvent("low", before);
      assert.equal((await writeZeroes(device, 3)).status, 0);
      assert.equal(await whetherHeld(waiting), "held");
      assert.equal((await writeZeroes(device, 5)).status, 0);
      const after = await waiting;
      assert.equal(after, before + 1);
      assert.equal(await eventNumber("low"), after);
      assert.equal(await mapper.waitForEvent("low", before), after);
      assert.equal((await writeZeroes(device, 6)).status, 0);
      assert.equal(await eventNumber("low"), after);
      await mapper.remove("low-1");
      await mapper.remove("low");
    });

    test("who waits can give up, and is told when the device goes", async () => {
      await setup.create("gone", 64);
      const number = await eventNumber("gone");
      const giveUp = new AbortController();
      const waiting = mapper.waitForEvent("gone", number, giveUp.signal);
      const reason = new Error("enough");
      setTimeout(() => giveUp.abort(reason), 50);
      await assert.rejects(waiting, reason);
      await assert.rejects(mapper.waitForEvent("gone", number, AbortSignal.abort(reason)), reason);
      const last = assert.rejects(mapper.waitForEvent("gone", number), { code: "ENXIO" });
      await mapper.remove("gone");
      await last;
    });

    test("a full pool holds writes, tells of it, and goes on when it has grown", async () => {
      await setup.create("small", 16);
      const device = await setup.thin("small", 1, 64, "filler");
      const before = await eventNumber("small");
      const writing = writeZeroes(device, 32);
      await until("the pool is full", async () => / out_of_data_space /.test(await mapper.status("small")));
      assert.equal(await whetherHeld(writing), "held");
      const full = await mapper.waitForEvent("small", before);
      assert.ok(full > before);
      assert.match(await mapper.status("small"), / 256\/256 - out_of_data_space /);
      await mapper.reload("small", setup.table("small", 64));
      assert.equal((await writing).status, 0);
      assert.match(await mapper.status("small"), /^0 131072 thin-pool 0 \d+\/4096 512\/1024 - rw /);
      assert.ok((await eventNumber("small")) > full, "it tells that there is space again");
      await mapper.remove("filler");
      await mapper.remove("small");
    });

    test("a device of a full pool can be suspended without flushing; what it held goes on", async () => {
      await setup.create("held", 16);
      const device = await setup.thin("held", 1, 64, "waiter");
      const writing = writeZeroes(device, 32);
      await until("the pool is full", async () => / out_of_data_space /.test(await mapper.status("held")));
      await mapper.suspend("waiter", { noFlush: true });
      await mapper.reload("held", setup.table("held", 64));
      assert.equal(await whetherHeld(writing), "held");
      await mapper.resume("waiter");
      assert.equal((await writing).status, 0);
      await mapper.remove("waiter");
      await mapper.remove("held");
    });

    test("a full pool that is to fail does so at once", async () => {
      await setup.create("failing", 16, "1 error_if_no_space");
      const device = await setup.thin("failing", 1, 64);
      const { status, output } = await writeZeroes(device, 32);
      assert.notEqual(status, 0);
      assert.match(output, /No space left|Input\/output error/);
      assert.match(await mapper.status("failing"), / out_of_data_space discard_passdown error_if_no_space /);
      await mapper.reload("failing", setup.table("failing", 64, "1 error_if_no_space"));
      assert.equal((await writeZeroes(device, 32)).status, 0);
      await mapper.remove("failing-1");
      await mapper.remove("failing");
    });

    test("the metadata grow with their device", async () => {
      const line = await setup.create("meta", 64);
      assert.match(await mapper.status("meta"), / \d+\/4096 /);
      setup.device("meta.metadata", 32);
      await mapper.reload("meta", line);
      assert.match(await mapper.status("meta"), / \d+\/8192 /);
      assert.deepEqual(await mapper.checkMetadata("meta"), []);
      await mapper.remove("meta");
    });

    test("nothing remains", async () => {
      await setup.nothingRemains();
    });
  });
}
