import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { DeviceMapperSetup } from "./device-mapper-setup.ts";

/** A pool's messages, one by one and many at once: Documentation/admin-guide/device-mapper/thin-provisioning.rst, "Messages". */
export function messageTests(makeSetup: () => DeviceMapperSetup): void {
  describe("a pool's messages", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    before(async () => {
      await setup.create("pool", 64);
      await setup.thin("pool", 1, 16, "active");
    });
    after(() => setup.destroy());

    const ids = async (): Promise<number[]> => (await mapper.thinDevices("pool")).map(({ id }) => id);
    const transaction = async (): Promise<string> => (await mapper.status("pool")).split(" ")[3];

    test("ids go from 0 to 2^24 - 1, each taken once, by a device or a snapshot", async () => {
      const taken = ["0", "16777215", "5"];
      for (const id of taken) await mapper.message("pool", `create_thin ${id}`);
      for (const id of taken) {
        await assert.rejects(mapper.message("pool", `create_thin ${id}`), { code: "EEXIST" });
        await assert.rejects(mapper.message("pool", `create_snap ${id} 1`), { code: "EEXIST" });
      }
      await mapper.message("pool", "create_snap 16777214 16777215");
      assert.deepEqual(await ids(), [0, 1, 5, 16777214, 16777215]);
      await mapper.create("last", "0 32768 thin pool 16777215");
      await assert.rejects(mapper.message("pool", "delete 16777215"), { code: "EBUSY" });
      await mapper.remove("last");
      for (const id of [...taken, "16777214"]) await mapper.message("pool", `delete ${id}`);
      await mapper.message("pool", "create_thin 5"); // a deleted id can be taken again
      await mapper.message("pool", "delete 5");
      assert.deepEqual(await ids(), [1]);
    });

    test("what is no message, or has wrong arguments, is refused and changes nothing", async () => {
      for (const message of [
        "create_thin", "create_thin 1 2", "create_thin -1", "create_thin 16777216", "create_thin 4294967296",
        "create_thin 18446744073709551616", "create_thin 0x5", "create_thin five", "create_thin 5.0",
        "create_snap", "create_snap 5", "create_snap 5 1 2", "create_snap 16777216 1", "create_snap 5 16777216", "create_snap 5 x",
        "delete", "delete 1 1", "delete 16777216", "delete x",
        "set_transaction_id", "set_transaction_id 0", "set_transaction_id 0 1 2", "set_transaction_id x 1", "set_transaction_id 0 x",
        "reserve_metadata_snap now", "release_metadata_snap now", "trim_sm", "resize",
      ]) await assert.rejects(mapper.message("pool", message), { code: "EINVAL" }, message); // prettier-ignore
      for (const [message, code] of [
        ["create_snap 5 4", "ENODATA"],
        ["create_snap 5 5", "ENODATA"],
        ["delete 4", "ENODATA"],
        ["delete 1", "EBUSY"],
      ]) await assert.rejects(mapper.message("pool", message), { code }, message); // prettier-ignore
      assert.deepEqual(await ids(), [1]);
      assert.equal(await transaction(), "0");
    });

    test("words may be in capitals, and numbers have a sign or zeroes before them", async () => {
      await mapper.message("pool", "CREATE_THIN +05");
      await mapper.message("pool", "Create_Snap 6 0005");
      assert.deepEqual(await ids(), [1, 5, 6]);
      await mapper.messages("pool", ["DELETE 5", "delete +6"]);
    });

    test("the transaction id changes only from what it is", async () => {
      await mapper.message("pool", "set_transaction_id 0 1");
      await assert.rejects(mapper.message("pool", "set_transaction_id 0 2"), { code: "EINVAL" });
      assert.equal(await transaction(), "1");
      await mapper.message("pool", "set_transaction_id 1 1000000000000");
      await mapper.message("pool", "set_transaction_id 1000000000000 7");
      assert.equal(await transaction(), "7");
      await mapper.message("pool", "set_transaction_id 7 0");
    });

    test("many at once are carried out in order, up to the first that fails", async () => {
      const many = Array.from({ length: 300 }, (_, index) => `create_snap ${100 + index} 1`);
      await mapper.messages("pool", [...many, "delete 100", "set_transaction_id 0 9"]);
      assert.equal((await ids()).length, 300);
      assert.equal(await transaction(), "9");
      await assert.rejects(
        mapper.messages("pool", ["set_transaction_id 9 0", "delete 101", "delete 101", "delete 102"]),
        { name: "DeviceMapperError", code: "ENODATA", done: 2 },
      );
      await assert.rejects(mapper.messages("pool", ["delete 102", "frobnicate"]), { code: "EINVAL", done: 1 });
      await assert.rejects(mapper.messages("pool", ["delete 103", ""]), { code: "EINVAL", done: 1 });
      await assert.rejects(mapper.messages("nobody", ["delete 1"]), { code: "ENXIO", done: 0 });
      await mapper.messages("pool", []);
      assert.deepEqual([(await ids()).length, await transaction()], [297, "0"]);
      await mapper.messages(
        "pool",
        (await ids()).filter((id) => id !== 1).map((id) => `delete ${id}`),
      );
      assert.deepEqual(await ids(), [1]);
      assert.deepEqual(await mapper.checkMetadata("pool"), []);
    });

    test("a metadata snapshot is held until it is released, whatever is committed meanwhile", async () => {
      await mapper.message("pool", "reserve_metadata_snap");
      const held = (await mapper.status("pool")).split(" ")[6];
      await mapper.message("pool", "create_thin 9");
      await mapper.message("pool", "delete 9");
      assert.equal((await mapper.status("pool")).split(" ")[6], held);
      for (const code of ["EBUSY", "EBUSY"])
        await assert.rejects(mapper.message("pool", "reserve_metadata_snap"), { code });
      await mapper.message("pool", "release_metadata_snap");
      for (const code of ["EINVAL", "EINVAL"])
        await assert.rejects(mapper.message("pool", "release_metadata_snap"), { code });
      await mapper.message("pool", "reserve_metadata_snap");
      await mapper.message("pool", "release_metadata_snap");
      assert.deepEqual(await mapper.checkMetadata("pool"), []);
    });

    test("thin devices take none", async () => {
      await assert.rejects(mapper.message("active", "create_thin 2"));
      assert.deepEqual(await ids(), [1]);
    });

    test("nothing remains", async () => {
      await setup.removeAll("pool", "active");
      await setup.nothingRemains();
    });
  });
}
