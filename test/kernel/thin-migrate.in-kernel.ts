import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { getopt } from "../../src/cli/thin/getopt.ts";
import { ToolLine } from "../../src/cli/thin/tool-line.ts";
import { migrate, tool } from "../../src/cli/thin/tools/thin-migrate.ts";
import { kernelMappedDevices } from "../../src/device-mapper/kernel/kernel-mapped-devices.ts";
import { cannotRun, KernelTestPool } from "../../src/device-mapper/kernel/test-pool.ts";

/** Writes a mebibyte of a device anew. */
function scribble(device: string, mebibyte: number): void {
  const words = [
    "if=/dev/urandom",
    `of=${device}`,
    "bs=1M",
    "count=1",
    `seek=${mebibyte}`,
    "oflag=direct",
    "conv=notrunc",
  ];
  execFileSync("dd", words, { stdio: "ignore" });
}

describe("thin_migrate, of the kernel's devices", { skip: cannotRun }, () => {
  const setup = new KernelTestPool();
  const { mapper } = setup;
  before(() => setup.create("pool", 64));
  after(() => setup.destroy());

  test("copies a device of a running pool, and then what its snapshot has besides", async () => {
    await setup.thin("pool", 1, 16, "first");
    for (const mebibyte of [0, 3, 15]) scribble("/dev/mapper/first", mebibyte);
    await mapper.message("pool", "create_snap 2 1");
    await mapper.create("second", "0 32768 thin /dev/mapper/pool 2");
    for (const mebibyte of [3, 7]) scribble("/dev/mapper/second", mebibyte);
    await mapper.message("pool", "reserve_metadata_snap");
    const copyOf = async (device: string, name: string, ...words: string[]): Promise<Buffer> => {
      const file = join(setup.folder, name);
      const line = new ToolLine(getopt(["-q", "--dest-file", file, ...words], tool.options));
      assert.equal(await migrate(kernelMappedDevices(), `/dev/mapper/${device}`, line), 0);
      return readFileSync(file);
    };
    assert.ok((await copyOf("first", "copy")).equals(readFileSync("/dev/mapper/first")));
    execFileSync("cp", [join(setup.folder, "copy"), join(setup.folder, "next")]);
    assert.ok((await copyOf("second", "next", "--delta-id", "1")).equals(readFileSync("/dev/mapper/second")));
    await mapper.message("pool", "release_metadata_snap");
    await mapper.remove("second");
    await mapper.remove("first");
  });
});
