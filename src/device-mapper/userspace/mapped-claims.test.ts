import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { detachLoop } from "../../linux/loop.ts";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { writeAt } from "../compliance/device-mapper-setup.ts";
import { runProgram } from "../compliance/run-program.ts";
import { blockAt, TestMapped } from "./test-mapped.ts";
import { cannotRun } from "./test-pool.ts";

describe("what mapped devices stand on", { skip: cannotRun }, () => {
  const setup = new TestMapped();
  const { mapper } = setup;
  after(() => setup.destroy());
  const busy = { code: "EBUSY" };

  test("is theirs together, until the last of them goes", async () => {
    const disk = setup.disk("shared", 64);
    assert.equal((await runProgram("mkfs.ext4", "-q", disk)).status, 0);
    const first = await setup.start("first", `0 2048 linear ${disk} 0`);
    const second = await setup.start("second", `0 2048 linear ${disk} 2048`);
    const third = await setup.start("third", `0 2048 linear ${disk} 4096`);
    const point = setup.point("shared-mount");
    const pool = `0 65536 thin-pool ${setup.file("claims.metadata", 4)} ${disk} 128 0`;
    const refused = () => assert.rejects(mountAsync(disk, point, "ext4"), busy);
    await refused();
    await assert.rejects(mapper.create("claims", pool), busy);
    await setup.end("first", first); // the one that opened it for all
    await refused();
    await setup.killEngine("second");
    await refused();
    await setup.send("third", `reload 0 2048 linear ${disk} 8192`); // both tables are open for a moment
    await refused();
    await setup.end("second", second);
    await refused();
    await assert.rejects(mapper.create("claims", pool), busy);
    await setup.send("third", "reload 0 2048 zero");
    await mountAsync(disk, point, "ext4");
    await assert.rejects(setup.send("third", `reload 0 2048 linear ${disk} 0`), busy);
    await assert.rejects(setup.start("fourth", `0 2048 linear ${setup.file("shared", 64)} 0`), busy);
    await unmountAsync(point);
    await mapper.create("claims", pool);
    await assert.rejects(setup.send("third", `reload 0 2048 linear ${disk} 0`), busy);
    await mapper.remove("claims");
    const file = setup.file("shared", 64);
    await mapper.create("claims", pool.replace(disk, file));
    await assert.rejects(setup.start("fourth", `0 2048 linear ${file} 0`), busy);
    await assert.rejects(setup.start("fourth", `0 2048 linear ${disk} 0`), busy);
    await mapper.remove("claims");
    await setup.end("third", third);
    detachLoop(disk);
  });

  test("may be anything: linear over linear over a thin device of a pool on a linear device", async () => {
    const disk = setup.disk("bottom", 128);
    const data = await setup.start("data", `0 131072 linear ${disk} 0\n131072 131072 linear ${disk} 131072`);
    const metadata = setup.file("stack.metadata", 4);
    await mapper.create("stack", `0 262144 thin-pool ${metadata} ${data} 128 0`);
    const thin = await setup.thin("stack", 1, 96, "thin");
    const lower = await setup.start("lower", `0 196608 linear ${thin} 0`);
    const upper = await setup.start("upper", `0 65536 linear ${lower} 65536\n65536 65536 linear ${lower} 0`);
    for (const below of [data, thin, lower]) await assert.rejects(mountAsync(below, setup.folder, "ext4"), busy);
    await assert.rejects(mapper.remove("thin"), busy);
    const load = runProgram(
      "fio", "--name=verify", `--filename=${upper}`, "--size=48m", "--rw=randwrite", "--bsrange=4k-64k", "--ioengine=libaio", "--iodepth=8",
      "--direct=1", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--fsync=50", "--time_based", "--runtime=2",
      `--aux-path=${setup.folder}`,
    ); // prettier-ignore
    for (const below of ["upper", "lower", "data"]) {
      await sleep(300);
      await setup.killEngine(below);
    }
    const pool = setup.engine("stack");
    await setup.kill(pool);
    await setup.nextEngine("stack", pool);
    const { status, output } = await load;
    assert.equal(status, 0, output);
    assert.doesNotMatch(output, /verify: bad|error=/i);
    writeAt(upper, 0, Buffer.alloc(4096, 7));
    assert.equal(blockAt(thin, 65536 * 512), 7);
    assert.deepEqual(await mapper.checkMetadata("stack"), []);
    await setup.end("upper", upper);
    await setup.end("lower", lower);
    await setup.removeAll("stack", "thin");
    await setup.end("data", data);
    detachLoop(disk);
    await setup.nothingRemains();
  });
});
