import assert from "node:assert/strict";
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import type { GraphInspection } from "../src/adopt/inspect.ts";
import { scratchFolder } from "../src/graph/testing/scratch-folder.ts";
import { lockFileSync } from "../src/linux/flock.ts";
import { attachLoop, detachLoop } from "../src/linux/loop.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { adopt, adoptJson, dockerGraph, fixture, metadataOf } from "./adopt-support.ts";
import { lacksRequirement } from "./cli-support.ts";

/** Must fail in one or two plain lines, with nothing on standard output. */
async function refused(says: RegExp, ...args: string[]): Promise<void> {
  const { status, stdout, stderr } = await adopt(...args);
  assert.match(stderr, says);
  assert.match(stderr, /^mica: /);
  assert.ok(!stderr.includes("    at "), "a stack is shown");
  assert.equal(stdout, "");
  assert.equal(status, 1);
}

suite("no graph of Docker's", () => {
  const cases: { what: string; make: (folder: string) => string; says: RegExp }[] = [
    { what: "no such folder", make: (folder) => join(folder, "none"), says: /there is no such folder/ },
    {
      what: "a file",
      make: (folder) => {
        writeFileSync(join(folder, "file"), "");
        return join(folder, "file");
      },
      says: /it is no folder\. Name Docker's data root/,
    },
    {
      what: "an empty folder",
      make: (folder) => folder,
      says: /no devicemapper graph in it .*such as \/var\/lib\/docker/,
    },
    {
      what: "another storage driver's data root",
      make: (folder) => {
        for (const name of ["overlay2", "image", "containers"]) mkdirSync(join(folder, name));
        return folder;
      },
      says: /It holds overlay2, which is another storage driver/,
    },
    {
      what: "the folder above a daemon's that maps users",
      make: (folder) => {
        mkdirSync(join(folder, "165536.165536/devicemapper/metadata"), { recursive: true });
        writeFileSync(join(folder, "165536.165536/devicemapper/metadata/base"), "{}");
        return folder;
      },
      says: /Use .*\/165536\.165536$/m,
    },
  ];
  for (const { what, make, says } of cases) {
    test(what, async (t) => {
      const path = make(scratchFolder(t));
      await refused(says, "inspect", path);
      await refused(says, "export", path, "--to", join(scratchFolder(t), "all"));
    });
  }
});

suite("a pool that cannot be used", () => {
  async function told(t: TestContext, dataRoot: string, says: RegExp, ...more: string[]): Promise<void> {
    const { problems, images } = await adoptJson<GraphInspection>(0, "inspect", dataRoot, ...more);
    assert.ok(
      problems.some((problem) => says.test(problem)),
      problems.join("\n"),
    );
    assert.equal(images.length, 2);
    await refused(says, "diff", dataRoot, "c1", ...more);
    const out = scratchFolder(t);
    await refused(says, "export", dataRoot, "--to", join(out, "all"), ...more);
    assert.deepEqual(readdirSync(out), []);
  }

  test("the data file is missing", async (t) => {
    const dataRoot = dockerGraph(t);
    rmSync(join(dataRoot, "devicemapper/devicemapper/data"));
    await told(t, dataRoot, /devicemapper\/data' is missing\. Put the file back.*--data .*thinpool_tdata/);
  });

  test("both are elsewhere: they can be named", async (t) => {
    const dataRoot = dockerGraph(t);
    const elsewhere = join(scratchFolder(t), "pool");
    renameSync(join(dataRoot, "devicemapper/devicemapper"), elsewhere);
    await told(t, dataRoot, /data' and '.*metadata' are missing\. If Docker had devices of its own/);
    const given = ["--data", join(elsewhere, "data"), "--metadata", join(elsewhere, "metadata")];
    const diff = await adopt("diff", dataRoot, "c1", ...given);
    assert.deepEqual(diff.stdout.trim().split("\n"), fixture.diffC1);
    await told(t, dataRoot, /there is no '\/none'/, "--data", "/none", "--metadata", join(elsewhere, "metadata"));
  });

  test("block devices are read as files are", async (t) => {
    if (lacksRequirement(t)) return;
    const dataRoot = dockerGraph(t);
    const elsewhere = join(scratchFolder(t), "pool");
    renameSync(join(dataRoot, "devicemapper/devicemapper"), elsewhere);
    const [data, metadata] = ["data", "metadata"].map((name) => {
      const device = attachLoop(join(elsewhere, name), { readOnly: true });
      t.after(() => detachLoop(device));
      return device;
    });
    const given = ["--data", data, "--metadata", metadata];
    const { problems } = await adoptJson<GraphInspection>(0, "inspect", dataRoot, ...given);
    assert.deepEqual(problems, []);
    assert.deepEqual((await adopt("diff", dataRoot, "c1", ...given)).stdout.trim().split("\n"), fixture.diffC1);
    const holder = openSync(data, constants.O_RDONLY | constants.O_EXCL);
    try {
      await told(t, dataRoot, new RegExp(`'${data}' is in use, by the kernel's device mapper or a mount`), ...given);
    } finally {
      closeSync(holder); // before the loop device is detached: it is not, while it is busy
    }
  });

  test("another pool's metadata, without the devices", async (t) => {
    const dataRoot = dockerGraph(t);
    ThinMetadata.format(metadataOf(dataRoot), { dataBlockSize: 128, dataBlocks: 32_768 }).commit(() => undefined);
    await told(t, dataRoot, /it is another graph's pool, or was emptied: it does not hold the graph's devices/);
  });

  test("another pool's metadata, with devices of the same ids", async (t) => {
    const dataRoot = dockerGraph(t);
    const metadata = ThinMetadata.format(metadataOf(dataRoot), { dataBlockSize: 128, dataBlocks: 32_768 });
    for (let id = 1; id <= 7; id++) metadata.createThin(id);
    metadata.commit(() => undefined);
    metadata.close();
    await told(t, dataRoot, /its base device has no file system, and the graph's has UUID 56b16ee0/);
  });

  test("a loop device is on it", async (t) => {
    if (lacksRequirement(t)) return;
    const dataRoot = dockerGraph(t);
    const device = attachLoop(metadataOf(dataRoot), { readOnly: true });
    t.after(() => detachLoop(device));
    await told(t, dataRoot, new RegExp(`is attached to ${device}`));
    // The kernel knows the file by its own path, whatever link was followed to it.
    const link = join(scratchFolder(t), "link");
    symlinkSync(dataRoot, link);
    await told(t, link, new RegExp(`is attached to ${device}`));
  });

  test("a pool of mica runs on it", async (t) => {
    const dataRoot = dockerGraph(t);
    const lock = lockFileSync(metadataOf(dataRoot));
    t.after(() => lock.release());
    await told(t, dataRoot, /is in use, by a pool of mica/);
  });
});

suite("names and targets", () => {
  test("unknown and ambiguous names", async (t) => {
    const dataRoot = dockerGraph(t);
    const out = join(scratchFolder(t), "all");
    await refused(
      /Cannot find image or container 'nginx' in '.*adopt inspect/,
      "export",
      dataRoot,
      "nginx",
      "--to",
      out,
    );
    await refused(/Cannot find container 'img2:1'/, "diff", dataRoot, "img2:1");
    // img2:1 is 0c60…, base:1 3fe8…, c2 3655…
    await refused(
      /Cannot tell what '3' is: image base:1 or container c2 \(3655dcfc66e1\)\. Give/,
      "export",
      dataRoot,
      "3",
      "--to",
      out,
    );
  });

  test("targets that are there, or cannot be", async (t) => {
    const dataRoot = dockerGraph(t);
    const folder = scratchFolder(t);
    writeFileSync(join(folder, "file"), "");
    await refused(/it is there already, and not empty\. Name a new folder/, "export", dataRoot, "--to", folder);
    await refused(/it is there already\. Name a new folder/, "export", dataRoot, "--to", join(folder, "file"));
    await refused(/there is no folder '.*none'\. Make it first/, "export", dataRoot, "--to", join(folder, "none/all"));
    await refused(/'tar:' is unknown\. Name a folder, oci-archive:FILE/, "export", dataRoot, "--to", "tar:x");
    await refused(/it is a folder/, "export", dataRoot, "--to", `oci-archive:${folder}`);
    await refused(/no path is given/, "export", dataRoot, "--to", "docker-archive:");
    await refused(/Cannot export to '\/proc\/all'/, "export", dataRoot, "--to", "/proc/all");
    assert.deepEqual(readdirSync(folder), ["file"]);
  });

  test("wrong usage ends with 2", async () => {
    for (const [words, says] of [
      [["export", "/x"], /required option '--to <target>' not specified\nSee `mica adopt export --help`/],
      [["inspect", "/x", "--block-size", "10K"], /blocks of 64K to 1G/],
      [["inspect", "/x", "--block-size", "much"], /Cannot read block size 'much'/],
      [[], /missing command\nSee `mica adopt --help`/],
      [["adapt"], /unknown command 'adapt'\nSee `mica adopt --help`/],
    ] as const) {
      const { status, stderr } = await adopt(...words);
      assert.match(stderr, says);
      assert.equal(status, 2);
    }
  });

  test("with --json an error is JSON, and has its code", async (t) => {
    const { stderr } = await adopt("inspect", scratchFolder(t), "--json");
    assert.equal((JSON.parse(stderr) as { error: { code: string } }).error.code, "NO_DOCKER_GRAPH");
  });
});
