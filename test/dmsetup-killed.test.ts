/** `mica dmsetup`, killed at each step by which it changes anything: the same command goes on from there, and nothing is left over. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { poolPaths } from "../src/block-device/pool-paths.ts";
import { writeAt } from "../src/device-mapper/compliance/device-mapper-setup.ts";
import { segmentsOf } from "../src/device-mapper/userspace/mapped/check-table.ts";
import { userspaceMappedDevices } from "../src/device-mapper/userspace/mapped/userspace-mapped-devices.ts";
import { blockAt } from "../src/device-mapper/userspace/test-mapped.ts";
import { cannotRun, TestPool } from "../src/device-mapper/userspace/test-pool.ts";
import { majorMinor } from "../src/linux/special-files.ts";
import { until } from "../src/linux/testing/until.ts";
import { micaCommand, outcomeOf } from "./cli-support.ts";
import { cannotTrace, killAtEachStep, type Killed } from "./kill-at-step.ts";

const uuid = "MICA-1";
const table = "0 2048 thin pool 1";
const longer = `${table}\n2048 8 error`;

describe("mica dmsetup, killed at every step", { skip: cannotRun || cannotTrace() }, () => {
  const pool = new TestPool();
  const deviceDir = join(pool.folder, "dev");
  const devices = userspaceMappedDevices({ runDir: pool.runDir, deviceDir });
  const env = { ...process.env, DM_DEV_DIR: deviceDir, MICA_RUN_DIR: pool.runDir, MICA_DEVICE_MAPPER: "userspace" };
  const link = (name: string) => join(deviceDir, "mapper", name);
  const other = ["create", "other", "--table", pool.table("other", 64)];
  let baseline: string[] = [];

  const command = (words: readonly string[]) => ({
    program: process.execPath,
    args: [micaCommand, "dmsetup", ...words],
    env,
  });
  const run = (...words: string[]) => {
    const { program, args } = command(words);
    return outcomeOf(spawn(program, args, { env }));
  };
  const ok = async (...words: string[]) => {
    const { status, stderr } = await run(...words);
    assert.equal(status, 0, `dmsetup ${words.join(" ")}: ${stderr}`);
  };
  const isThere = async (name: string) => (await devices.info(name)) !== undefined;
  const make = async (name: string, segments = table) => {
    await devices.create(name);
    await devices.load(name, segmentsOf(segments));
    await devices.resume(name);
  };
  /** It can be found, has its data, and is removed. */
  const removeWorking = async (name: string, segments = 1) => {
    const { major, minor, suspended } = (await devices.info(name))!;
    assert.deepEqual([suspended, majorMinor(statSync(link(name)).rdev)], [false, { major, minor }]);
    assert.equal((await devices.status(name)).length, segments);
    assert.equal(blockAt(link(name), 4096), 7);
    await devices.remove(name);
  };
  const removeIfThere = async (name: string) => {
    if (await isThere(name)) await ok("remove", name);
  };
  const thinIds = async () => (await pool.mapper.thinDevices("pool")).map(({ id }) => id);

  before(async () => {
    await make("pool", pool.table("pool", 64));
    await devices.message("pool", 0, "create_thin 1");
    await make("one");
    writeAt(link("one"), 0, Buffer.alloc(65536, 7));
    await devices.remove("one");
    baseline = pool.remains();
  });
  after(() => pool.destroy());

  const killed = (title: string, { words, finish, ...around }: Killed & { words: readonly string[] }): void => {
    test(title, (t) =>
      killAtEachStep(t, command(words), {
        ...around,
        finish: async () => {
          await finish();
          assert.deepEqual(await devices.list().then((all) => all.map(({ name }) => name)), ["pool"]);
          assert.deepEqual(readdirSync(join(deviceDir, "mapper")), ["pool"]);
          await pool.nothingRemains(baseline);
        },
      }),
    );
  };

  killed("create", {
    words: ["create", "one", "--uuid", uuid, "--table", table],
    goOn: async () => {
      await removeIfThere("one");
      await ok("create", "one", "--uuid", uuid, "--table", table);
    },
    finish: () => removeWorking("one"),
  });
  killed("load", {
    prepare: () => make("one"),
    words: ["load", "one", "--table", longer],
    goOn: () => ok("load", "one", "--table", longer),
    finish: async () => {
      assert.equal((await devices.status("one")).length, 1);
      await devices.resume("one");
      await removeWorking("one", 2);
    },
  });
  killed("resume, with another table", {
    prepare: async () => {
      await make("one");
      await devices.load("one", segmentsOf(longer));
    },
    words: ["resume", "one"],
    goOn: async () => {
      assert.ok((await devices.info("one"))!.liveTable);
      await ok("resume", "one");
    },
    finish: () => removeWorking("one", 2),
  });
  killed("suspend", {
    prepare: () => make("one"),
    words: ["suspend", "one"],
    goOn: () => ok("suspend", "one"),
    finish: async () => {
      assert.ok((await devices.info("one"))!.suspended);
      await devices.resume("one");
      await removeWorking("one");
    },
  });
  killed("resume", {
    prepare: async () => {
      await make("one");
      await devices.suspend("one");
    },
    words: ["resume", "one"],
    goOn: () => ok("resume", "one"),
    finish: () => removeWorking("one"),
  });
  killed("rename", {
    prepare: () => make("one"),
    words: ["rename", "one", "two"],
    goOn: async () => {
      if (await isThere("one")) await ok("rename", "one", "two");
      else await ok("mknodes");
    },
    finish: () => removeWorking("two"),
  });
  killed("rename --setuuid", {
    prepare: () => make("one"),
    words: ["rename", "one", "--setuuid", uuid],
    goOn: async () => {
      if ((await devices.info("one"))!.uuid === "") await ok("rename", "one", "--setuuid", uuid);
    },
    finish: async () => {
      assert.equal((await devices.info("one"))!.uuid, uuid);
      await removeWorking("one");
    },
  });
  killed("remove", {
    prepare: () => make("one"),
    words: ["remove", "one"],
    goOn: () => removeIfThere("one"),
    finish: async () => assert.ok(!(await isThere("one"))),
  });
  let held = -1;
  killed("remove --deferred, of a device that is open", {
    prepare: async () => {
      await make("one");
      held = openSync(link("one"), "r");
    },
    words: ["remove", "--deferred", "one"],
    goOn: () => ok("remove", "--deferred", "one"),
    finish: async () => {
      assert.ok((await devices.info("one"))!.deferredRemove);
      closeSync(held);
      await until("it is gone", async () => !(await isThere("one")));
    },
  });
  killed("message create_snap", {
    words: ["message", "pool", "0", "create_snap 2 1"],
    goOn: async () => {
      if (!(await thinIds()).includes(2)) await ok("message", "pool", "0", "create_snap 2 1");
    },
    finish: async () => {
      await make("two", "0 2048 thin pool 2");
      await removeWorking("two");
      await devices.message("pool", 0, "delete 2");
    },
  });
  killed("create of a pool", {
    words: other,
    goOn: async () => {
      await removeIfThere("other");
      await ok(...other);
    },
    finish: async () => {
      assert.match((await devices.status("other"))[0].parameters, / rw /);
      await devices.remove("other");
      assert.ok(!existsSync(dirname(poolPaths(pool.runDir, "other").journal)));
    },
  });
  killed("remove of a pool", {
    prepare: () => make("other", other[3]),
    words: ["remove", "other"],
    goOn: () => removeIfThere("other"),
    finish: async () => assert.ok(!(await isThere("other"))),
  });

  test("nothing remains", async () => {
    assert.deepEqual(await pool.mapper.checkMetadata("pool"), []);
    await devices.remove("pool");
    await pool.nothingRemains();
  });
});
