import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { deviceNumber } from "../../linux/device-path.ts";
import { readAt, whetherHeld } from "../compliance/device-mapper-setup.ts";
import { runProgram } from "../compliance/run-program.ts";
import { kernelDeviceMapper } from "./kernel-device-mapper.ts";
import { KernelDevices } from "./kernel-devices.ts";
import { readMetadata } from "./pool-metadata.ts";
import { cannotRun, KernelTestPool } from "./test-pool.ts";

async function dmsetup(...parameters: string[]): Promise<string> {
  const { status, output } = await runProgram("dmsetup", ...parameters);
  assert.equal(status, 0, `dmsetup ${parameters.join(" ")}: ${output}`);
  return output.trim();
}

describe("what only the kernel's device mapper does", { skip: cannotRun }, () => {
  const setup = new KernelTestPool();
  const { mapper } = setup;
  let metadata: string;
  before(async () => {
    metadata = (await setup.create("pool", 64)).split(" ")[3];
    await setup.thin("pool", 1, 16, "first");
  });
  after(() => setup.destroy());

  test("it tells what it is", async () => {
    assert.equal(mapper.kind, "kernel");
    assert.match(mapper.libraryVersion, /^1\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)$/);
    assert.equal(mapper.supportsDeferredRemoval, true);
    const versions = await dmsetup("version");
    assert.ok(versions.includes(mapper.libraryVersion), versions);
  });

  test("its devices are dmsetup's, and dmsetup's are its own", async () => {
    assert.equal(await dmsetup("table", "pool"), (await mapper.table("pool")).trim());
    assert.equal(await dmsetup("status", "first"), await mapper.status("first"));
    const info = (await mapper.info("first"))!;
    const columns = await dmsetup("info", "-c", "--noheadings", "-o", "major,minor,open,events,uuid", "first");
    assert.equal(columns, `${info.major}:${info.minor}:0:0:${info.uuid ?? ""}`);
    await mapper.message("pool", "create_thin 2");
    await dmsetup("create", "theirs", "--table", "0 32768 thin /dev/mapper/pool 2");
    const theirs = (await mapper.info("theirs"))!;
    assert.deepEqual([theirs.target, theirs.uuid, theirs.blockDevice], ["thin", undefined, "/dev/mapper/theirs"]);
    await assert.rejects(mapper.create("theirs", "0 32768 thin pool 2"), { code: "EEXIST" });
    await assert.rejects(mapper.message("pool", "delete 2"), { code: "EBUSY" });
    await mapper.suspend("theirs");
    await mapper.remove("theirs");
    await mapper.message("pool", "delete 2");
  });

  test("devices with other targets are none of its", async () => {
    await dmsetup("create", "other", "--table", "0 2048 error");
    assert.equal(await mapper.info("other"), undefined);
    assert.ok((await mapper.list()).every(({ name }) => name !== "other"));
    await assert.rejects(mapper.create("other", "0 32768 thin pool 1"), { code: "EEXIST" });
    await assert.rejects(mapper.status("other"), { code: "ENXIO" });
    await dmsetup("remove", "other");
  });

  test("what a killed maker left half made is made anew; what another left is not touched", async () => {
    await mapper.message("pool", "create_thin 3");
    await dmsetup("create", "half", "--notable", "--uuid", "MICA-half");
    assert.equal(await mapper.info("half"), undefined);
    await mapper.create("half", "0 32768 thin pool 3");
    assert.equal((await mapper.info("half"))?.target, "thin");
    await mapper.remove("half");
    await dmsetup("create", "half", "--notable");
    await assert.rejects(mapper.create("half", "0 32768 thin pool 3"), { code: "EEXIST" });
    await dmsetup("remove", "half");
    await mapper.message("pool", "delete 3");
  });

  test("a device's node is there when it is, and goes with it", async () => {
    const { major, minor } = (await mapper.info("first"))!;
    assert.equal(deviceNumber("/dev/mapper/first"), `${major}:${minor}`);
    assert.ok(statSync("/dev/mapper/first").isBlockDevice());
    await mapper.remove("first");
    assert.equal(statSync("/dev/mapper/first", { throwIfNoEntry: false }), undefined);
    await mapper.create("first", `0 32768 thin ${deviceNumber("/dev/mapper/pool")} 1`);
    assert.ok(statSync("/dev/mapper/first").isBlockDevice());
  });

  test("libdevmapper's messages go to the log, as far as its level goes", async () => {
    const told: string[] = [];
    const log = (level: string, message: string) => told.push(`${level} ${message}`);
    const refused = (logLevel: number) =>
      assert.rejects(kernelDeviceMapper({ logLevel, log }).message("pool", "create_thin 1"), { code: "EEXIST" });
    await refused(2);
    assert.deepEqual(told, []);
    await refused(3);
    assert.deepEqual(told, ["error device-mapper: message ioctl on pool  failed: File exists"]);
    told.length = 0;
    assert.equal(await kernelDeviceMapper({ logLevel: 3, log }).info("nobody"), undefined);
    assert.deepEqual(told, []);
    await refused(7);
    assert.ok(
      told.some((line) => /^debug dm message pool .*\[ opencount flush \]/.test(line)),
      told.join("\n"),
    );
    kernelDeviceMapper();
  });

  test("programs that are started do not inherit the control device", () => {
    const controls = readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === "/dev/mapper/control";
      } catch {
        return false;
      }
    });
    assert.ok(controls.length > 0);
    const closeOnExec = 0o2000000;
    for (const fd of controls) {
      const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1];
      assert.equal(parseInt(flags, 8) & closeOnExec, closeOnExec);
    }
  });

  test("metadata are read as they are on the device, whatever the page cache has of it", async () => {
    const before = await mapper.thinDevices("pool");
    assert.equal(readAt(metadata, 0, 1 << 20).length, 1 << 20);
    await mapper.message("pool", "create_thin 4");
    assert.deepEqual(
      (await mapper.thinDevices("pool")).map(({ id }) => id),
      [...before.map(({ id }) => id), 4],
    );
    await mapper.message("pool", "delete 4");
  });

  test("another program's metadata snapshot is left alone, and what is read is of now", async () => {
    await dmsetup("message", "pool", "0", "reserve_metadata_snap");
    const held = async (): Promise<string> => (await mapper.status("pool")).split(" ")[6];
    const root = await held();
    await mapper.message("pool", "create_thin 5");
    assert.equal((await mapper.usage("pool")).devices.length, 2);
    assert.equal((await mapper.thinDevices("pool")).length, 2);
    assert.equal((await mapper.locate("pool", 1, 0)).dataBlock, undefined);
    assert.deepEqual(await mapper.checkMetadata("pool"), []);
    assert.equal(await held(), root);
    await mapper.message("pool", "release_metadata_snap");
    await mapper.message("pool", "delete 5");
    assert.equal((await mapper.thinDevices("pool")).length, 1);
  });

  test("metadata that change during every reading are read while the pool is suspended", async () => {
    const suspensions: boolean[] = [];
    const pools = new KernelDevices({ deferredRemoval: true });
    let id = 10;
    const found = await readMetadata(pools, "pool", (view) => {
      const ids = [...view.details()].map((device) => device.id);
      const suspended = /SUSPENDED/.test(execFileSync("dmsetup", ["info", "pool"], { encoding: "utf8" }));
      suspensions.push(suspended);
      if (!suspended) execFileSync("dmsetup", ["message", "pool", "0", `create_thin ${id++}`]);
      return ids;
    });
    assert.deepEqual(suspensions, [false, false, false, true]);
    assert.deepEqual(found, [1, 10, 11, 12]);
    assert.equal((await mapper.info("pool"))?.suspended, false);
    while (--id >= 10) await mapper.message("pool", `delete ${id}`);
  });

  test("a pool that a process of ours left suspended is resumed by the next; one that another program suspended is not", async () => {
    // Bundled, where these tests are, to run in another kernel.
    const bundled = import.meta.url.endsWith(".mjs");
    const program = fileURLToPath(new URL(bundled ? "./die-reading.mjs" : "./testing/die-reading.ts", import.meta.url));
    await runProgram(process.execPath, ...(bundled ? [] : ["--import", "tsx"]), program, "pool", "20");
    const isSuspended = async (): Promise<boolean> => (await mapper.info("pool"))!.suspended;
    assert.equal(await isSuspended(), true, "it left it so");
    assert.deepEqual(
      (await mapper.thinDevices("pool")).map(({ id }) => id),
      [1, 20, 21, 22],
    );
    assert.equal(await isSuspended(), false);
    for (const id of [20, 21, 22]) await mapper.message("pool", `delete ${id}`);
    await mapper.suspend("pool");
    assert.equal((await mapper.thinDevices("pool")).length, 1);
    assert.equal(await isSuspended(), true);
    await mapper.resume("pool");
  });

  test("a pool whose metadata cannot be written says so, and can be removed", async () => {
    const numbers = deviceNumber(setup.device("dying.metadata", 16));
    await dmsetup("create", "dying-metadata", "--table", `0 32768 linear ${numbers} 0`);
    await mapper.create(
      "dying",
      `0 131072 thin-pool /dev/mapper/dying-metadata ${setup.device("dying.data", 64)} 128 64`,
    );
    await setup.thin("dying", 1, 16);
    const { eventNumber } = (await mapper.info("dying"))!;
    await dmsetup("load", "dying-metadata", "--table", "0 32768 error");
    await dmsetup("suspend", "--noflush", "dying-metadata");
    await dmsetup("resume", "dying-metadata");
    await assert.rejects(mapper.message("dying", "create_thin 2"), { code: "EIO", message: /could not commit/ });
    assert.match(await mapper.status("dying"), /^0 131072 thin-pool Fail$/);
    assert.match(await mapper.status("dying-1"), /^0 32768 thin Fail$/);
    assert.notEqual(await mapper.waitForEvent("dying", eventNumber), eventNumber);
    await assert.rejects(mapper.thinDevices("dying"), { name: "DeviceMapperError", code: "EIO" });
    await assert.rejects(mapper.checkMetadata("dying"), { name: "DeviceMapperError", code: "EIO" });
    await assert.rejects(mapper.message("dying", "create_thin 3"), {
      code: "EOPNOTSUPP",
      message: /read-only or failed/,
    });
    await mapper.remove("dying-1");
    await mapper.remove("dying");
    await dmsetup("remove", "dying-metadata");
  });

  test("the event loop goes on while a suspension waits", async () => {
    await mapper.suspend("pool");
    const suspending = mapper.suspend("first");
    assert.equal(await whetherHeld(suspending), "held");
    assert.equal((await mapper.info("first"))?.name, "first");
    await mapper.resume("pool");
    await suspending;
    await mapper.resume("first");
  });

  test("nothing remains", async () => {
    await mapper.remove("first");
    await mapper.remove("pool");
    await setup.nothingRemains();
    assert.deepEqual(
      readdirSync("/dev/mapper").filter((name) => name !== "control"),
      [],
    );
  });
});
