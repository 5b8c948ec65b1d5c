import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { makePoolFolders, poolPaths } from "../src/block-device/pool-paths.ts";
import { writePoolState } from "../src/block-device/pool-state.ts";
import { identify } from "../src/block-device/process-identity.ts";
import { bootId } from "../src/linux/boot-id.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { lockFileSync } from "../src/linux/flock.ts";
import { makeBlockFile } from "../src/thin/metadata.testing.ts";
import { micaCommand } from "./cli-support.ts";
import { madePools } from "./thin-pools.ts";
import {
  allFields,
  byName,
  lacksDebiansTools,
  ours,
  requireSameOutput,
  scratchFolder,
  theirs,
} from "./thin-tools-support.ts";

/** A pool with two leaked blocks, one of each kind: counts that nothing refers to. */
function leakBlocks(path: string): void {
  const metadata = ThinMetadata.open(path);
  metadata.allocateDataBlock();
  metadata.trees.transaction.counts.allocate();
  metadata.commit(() => undefined);
  metadata.close();
}

for (const { name, make, hasSnapshot, isSlow } of madePools) {
  suite(`a pool: ${name}`, () => {
    test("checked, dumped and restored as by the originals", (t) => {
      if (lacksDebiansTools(t)) return;
      const folder = scratchFolder(t);
      const path = join(folder, "metadata");
      make(path);
      const checked = ours("thin_check", path);
      assert.equal(checked.status, 0, checked.stderr);
      assert.equal(theirs("thin_check", "-q", path).status, 0);

      const dumps = [[], ["-f", "human_readable"], ["--skip-mappings"], ["--dev-id", "5", "--dev-id", "1"]];
      if (hasSnapshot === true) dumps.push(["-m"], ["-m", "-fhuman_readable", "--dev-id=2"]);
      for (const options of dumps) requireSameOutput("thin_dump", ...options, path);

      const xml = join(folder, "xml");
      assert.equal(theirs("thin_dump", "-o", xml, path).status, 0);
      const blocks = 16_000;
      for (const restore of isSlow === true ? [ours] : [ours, theirs]) {
        const restored = join(folder, "restored");
        makeBlockFile(restored, blocks);
        const { status, stderr } = restore("thin_restore", "-q", "-i", xml, "-o", restored);
        assert.equal(status, 0, stderr);
        assert.equal(theirs("thin_check", "-q", restored).status, 0);
        const again = ours("thin_check", restored);
        assert.equal(again.status, 0, again.stderr);
        assert.ok(ours("thin_dump", restored).stdout === readFileSync(xml, "utf8"), "the restored pool is the same");
        ThinMetadata.open(restored).close();
      }

      // 0.9.0 tells of a node that devices share for one of them only; what was restored shares none.
      const restored = join(folder, "restored");
      const regions = ["--region", "0..2000", "--region", "5000..30000"];
      const owners = (run: typeof ours): string[] => run("thin_rmap", ...regions, restored).stdout.split("\n");
      assert.deepEqual(owners(ours).sort(), owners(theirs).sort());
    });

    test("listed and compared as by the originals", (t) => {
      if (lacksDebiansTools(t)) return;
      const path = join(scratchFolder(t), "metadata");
      make(path);
      const lines = [["thin_ls"], ["thin_ls", "-o", allFields], ["thin_ls", "--no-headers", "--format=DEV,SHARED"]];
      const ids = [...ThinMetadata.open(path, { readOnly: true }).details()].map(({ id }) => id);
      const pairs = [
        [ids[0], ids.at(-1)],
        [ids.at(-1), ids[ids.length >> 1]],
      ];
      for (const [left, right] of ids.length === 0 ? [] : pairs) {
        const devices = [`--snap1=${left ?? ""}`, "--thin2", String(right)];
        lines.push(["thin_delta", ...devices], ["thin_delta", "--verbose", ...devices]);
      }
      if (hasSnapshot === true) {
        lines.push(["thin_ls", "-m", "-o", allFields], ["thin_delta", "-m", `--snap1=${ids[0]}`, `--snap2=${ids[5]}`]);
      }
      for (const [tool, ...words] of lines) requireSameOutput(tool, ...words, path);
    });
  });
}

suite("thin_check", () => {
  const path = (t: { after: (done: () => void) => void }): string => {
    const file = join(scratchFolder(t), "metadata");
    madePools[3].make(file);
    return file;
  };

  test("tells leaks from loss, and gives leaked blocks back", (t) => {
    if (lacksDebiansTools(t)) return;
    const file = path(t);
    leakBlocks(file);
    assert.equal(theirs("thin_check", "-q", file).status, 1);
    const { status, stderr } = ours("thin_check", file);
    assert.equal(status, 1);
    assert.match(stderr, /data space map: block \d+ has a reference count of 1; 0 references found/);
    assert.match(stderr, /metadata space map: block \d+ has a reference count of 1; 0 references found/);
    assert.equal(ours("thin_check", "--ignore-non-fatal-errors", file).status, 0);
    assert.match(ours("thin_check", "--auto-repair", file).stderr, /fixed metadata leaks/);
    assert.equal(ours("thin_check", file).status, 0);
    assert.equal(theirs("thin_check", "-q", file).status, 0);
  });

  test("clears needs_check where all is well, and only there", (t) => {
    const file = path(t);
    const metadata = ThinMetadata.open(file);
    metadata.setNeedsCheck();
    metadata.close();
    const needsCheck = (): boolean => ThinMetadata.open(file, { readOnly: true }).needsCheck;
    assert.equal(ours("thin_check", file).status, 0);
    assert.ok(needsCheck());
    leakBlocks(file);
    assert.equal(ours("thin_check", "--clear-needs-check-flag", file).status, 1);
    assert.ok(needsCheck());
    assert.equal(ours("thin_check", "--auto-repair", file).status, 0);
    assert.equal(needsCheck(), false);
  });

  test("goes as far as it is asked to, as the original does", (t) => {
    if (lacksDebiansTools(t)) return;
    const file = path(t);
    const metadata = ThinMetadata.open(file);
    const [{ id }] = [...metadata.details()].filter(({ mappedBlocks }) => mappedBlocks > 0);
    const root = metadata.mappingRootOf(id);
    metadata.close();
    const bytes = readFileSync(file);
    bytes[root * 4096 + 100] ^= 1;
    writeFileSync(file, bytes);
    for (const options of [[], ["--skip-mappings"], ["--super-block-only"], ["--ignore-non-fatal-errors"], ["-m"]]) {
      const { status } = ours("thin_check", "-q", ...options, file);
      assert.equal(status, theirs("thin_check", "-q", ...options, file).status, options.join(" "));
    }
    assert.match(
      ours("thin_check", file).stderr,
      new RegExp(`thin device ${id}: .*metadata block ${root}: its checksum`),
    );
  });

  test("refuses what contradicts itself", (t) => {
    const file = path(t);
    for (const other of ["-m", "--skip-mappings", "--super-block-only", "--override-mapping-root=5"]) {
      assert.equal(ours("thin_check", "--auto-repair", other, file).status, 1);
    }
  });
});

suite("the tools' own way with arguments", () => {
  test("by their own name, through a link", (t) => {
    const folder = scratchFolder(t);
    const file = join(folder, "metadata");
    madePools[0].make(file);
    const { status, stdout } = byName(folder, "thin_check", file);
    assert.equal(status, 0);
    assert.match(stdout, /^TRANSACTION_ID=0\nMETADATA_FREE_BLOCKS=\d+\n$/);
    assert.equal(byName(folder, "thin_dump", "--skip-map", "-fxml", "--", file).stdout.split("\n").length, 3);
  });

  test("wrong usage ends with 1 and the usage, as with the originals", (t) => {
    if (lacksDebiansTools(t)) return;
    const lines = [
      ["thin_check"],
      ["thin_check", "--bogus"],
      ["thin_dump", "--format"],
      ["thin_dump", "--format=yaml", "/dev/null"],
      ["thin_dump", "--dev-id", "x", "/dev/null"],
      ["thin_restore", "-i", "/dev/null"],
      ["thin_restore", "-o", "/dev/null"],
      ["thin_ls", "-o", "SIZE", "/dev/null"],
      ["thin_delta", "--snap1", "1", "/dev/null"],
      ["thin_rmap", "--region", "5..5", "/dev/null"],
      ["thin_metadata_size", "-b", "64k"],
      ["thin_metadata_size", "-b64k", "-s1t", "-m1", "-uparsecs"],
      ["thin_check", "/no/such/file"],
      ["thin_dump", "/no/such/file"],
    ];
    for (const [tool, ...words] of lines) {
      const { status, stdout, stderr } = ours(tool, ...words);
      assert.equal(status, 1, `${tool} ${words.join(" ")}`);
      assert.equal(theirs(tool, ...words).status, 1);
      assert.equal(stdout, "");
      assert.ok(stderr !== "" && !stderr.includes("    at "), stderr);
    }
    assert.equal(ours("thin_check", "-V").stdout, theirs("thin_check", "-V").stdout);
    assert.match(ours("thin_restore", "-h").stdout, /^Usage: thin_restore /);
  });

  test("a pool that runs is not read, but for its metadata snapshot, and never written", (t) => {
    const folder = scratchFolder(t);
    const file = join(folder, "metadata");
    const xml = join(folder, "xml");
    madePools.find(({ hasSnapshot }) => hasSnapshot === true)!.make(file);
    assert.equal(ours("thin_dump", "-o", xml, file).status, 0);
    const pack = join(folder, "pack");
    assert.equal(ours("thin_metadata_pack", "-i", file, "-o", pack).status, 0);
    const [first, second] = ThinMetadata.open(file, { readOnly: true }).details();
    const delta = ["--snap1", String(first.id), "--snap2", String(second.id)];
    const before = readFileSync(file);
    // As the engine of a pool claims its files.
    const lock = lockFileSync(file);
    for (const [tool, ...words] of [
      ["thin_check"],
      ["thin_check", "--auto-repair"],
      ["thin_dump"],
      ["thin_dump", xml, "-m", "-o"],
      ["thin_ls"],
      ["thin_delta", ...delta],
      ["thin_rmap", "--region", "0..9"],
      ["thin_restore", "-i", xml, "-o"],
      ["thin_repair", "-i", pack, "-o"],
      ["thin_trim", "--data-dev", xml, "--metadata-dev"],
      ["thin_metadata_pack", "-o", join(folder, "other"), "-i"],
      ["thin_metadata_pack", "-f", "-i", xml, "-o"],
      ["thin_metadata_unpack", "-f", "-i", pack, "-o"],
    ]) {
      const { status, stderr } = ours(tool, ...words, file);
      assert.equal(status, 1, tool);
      assert.match(stderr, /^Cannot (read|write to) .*(a pool runs on it|in use)/);
    }
    for (const [tool, ...words] of [["thin_check", "-q"], ["thin_dump"], ["thin_ls"], ["thin_delta", ...delta]]) {
      assert.equal(ours(tool, ...words, "-m", file).status, 0, tool);
    }
    lock.release();
    assert.ok(readFileSync(file).equals(before));
  });
});

test("what a pool that died has in its journal still is not written over", (t) => {
  const folder = scratchFolder(t);
  const file = join(folder, "metadata");
  const xml = join(folder, "xml");
  madePools[0].make(file);
  assert.equal(ours("thin_dump", "-o", xml, file).status, 0);
  const paths = poolPaths(join(folder, "run"), "died");
  makePoolFolders(paths);
  writeFileSync(paths.journal, "");
  writeFileSync(paths.table, `0 1000 thin-pool ${file} /dev/null 128 0`);
  writePoolState(paths, { name: "died", bootId: bootId(), supervisor: identify(process.pid)! });
  const env = { ...process.env, MICA_RUN_DIR: join(folder, "run") };
  const words = [micaCommand, "thin_restore", "-i", xml, "-o", file];
  const { status, stderr } = spawnSync(process.execPath, words, { env, encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /^Cannot write to .*: pool died was not ended/);
  assert.equal(ours("thin_restore", "-i", xml, "-o", file).status, 0);
});

suite("thin_delta", () => {
  test("compares by roots too, and tells what is missing", (t) => {
    const path = join(scratchFolder(t), "metadata");
    madePools.find(({ name }) => name === "grown")!.make(path);
    const metadata = ThinMetadata.open(path, { readOnly: true });
    const [left, right] = [5, 6].map((id) => metadata.mappingRootOf(id));
    metadata.close();
    const byId = ours("thin_delta", "--snap1=5", "--snap2=6", path).stdout;
    const byRoot = ours("thin_delta", `--root1=${left}`, `--root2=${right}`, path).stdout;
    assert.equal(byRoot.replace(/<diff.*/, ""), byId.replace(/<diff.*/, ""));
    assert.match(
      ours("thin_delta", "--snap1=5", "--snap2=7", path).stderr,
      /Unable to find mapping tree for snap2 \(7\)/,
    );
    assert.match(ours("thin_delta", "--root1=0", "--snap2=5", path).stderr, /Cannot read the metadata to its end/);
  });
});

suite("thin_rmap", () => {
  test("tells of every device that shares a block", (t) => {
    const path = join(scratchFolder(t), "metadata");
    madePools.find(({ name }) => name === "grown")!.make(path);
    assert.equal(
      ours("thin_rmap", "--region", "9990..10010", "--region", "10000..10003", path).stdout,
      `data 9990..10000 -> thin(5) 9990..10000
data 9990..10000 -> thin(6) 9990..10000
data 10000..10010 -> thin(5) 20000..20010
data 10000..10010 -> thin(6) 20000..20010
`,
    );
  });
});

suite("thin_metadata_size", () => {
  test("reckons and writes as the original does", (t) => {
    if (lacksDebiansTools(t)) return;
    for (const line of [
      "-b 64k -s 1t -m 1000",
      "-b 64k -s 1t -m 1000 -u m",
      "-b 128 -s 2000000 -m 5 -uM -n",
      "--block-size=1m --pool-size=1p --max-thins=10k -u gibi -nshort",
      "-b 64k -s 100g -m 10 -u t -nlong",
      "-b 64kibi -s 1tera -m 1 -u bytes",
      "-b 65536b -s 10gigabytes -m 100 -ug",
      "-b 64k -s 64k -m 1",
      "-b 100 -s 1g -m 1",
    ]) {
      const words = line.split(" ");
      const expected = theirs("thin_metadata_size", ...words);
      const { status, stdout } = ours("thin_metadata_size", ...words);
      assert.equal(stdout, expected.stdout, line);
      assert.equal(status, expected.status, line);
    }
  });
});

suite("thin_restore", () => {
  const pool = (inside: string): string =>
    `<superblock uuid="" time="3" transaction="9" flags="1" version="2" data_block_size="128" nr_data_blocks="1000">${inside}</superblock>`;
  const device = (id: number, inside: string): string =>
    `<device dev_id="${id}" mapped_blocks="0" transaction="1" creation_time="0" snap_time="2">${inside}</device>`;

  const restored = (t: { after: (done: () => void) => void }, xml: string, ...options: string[]): string => {
    const folder = scratchFolder(t);
    const file = join(folder, "metadata");
    makeBlockFile(file, 64);
    writeFileSync(join(folder, "xml"), xml);
    const { status, stderr } = ours("thin_restore", "-i", join(folder, "xml"), "-o", file, ...options);
    if (status !== 0) return stderr;
    assert.equal(ours("thin_check", "-q", file).status, 0);
    return ours("thin_dump", file).stdout;
  };

  test("reads XML of any form, keys in any order, and what devices share", (t) => {
    const xml = `<?xml version="1.0"?>\n<!-- <single_mapping origin_block="9" data_block="9" time="0"/> -->${pool(
      `<def name="a"><range_mapping origin_begin="0" data_begin="5" length="3" time="1"/></def>` +
        device(4, `<ref name="a"/><single_mapping time="2" data_block='10'\n origin_block="7"></single_mapping>`) +
        device(2, `<single_mapping origin_block="70" data_block="20" time="1"/><ref name="a"/>`) +
        device(
          3,
          `<range_mapping origin_begin="0" data_begin="30" length="9" time="0"/><single_mapping origin_block="4" data_block="50" time="2"/>`,
        ),
    )}`;
    assert.equal(
      restored(t, xml, "--transaction-id", "77"),
      `<superblock uuid="" time="3" transaction="77" flags="1" version="2" data_block_size="128" nr_data_blocks="1000">
  <device dev_id="2" mapped_blocks="4" transaction="1" creation_time="0" snap_time="2">
    <range_mapping origin_begin="0" data_begin="5" length="3" time="1"/>
    <single_mapping origin_block="70" data_block="20" time="1"/>
  </device>
  <device dev_id="3" mapped_blocks="9" transaction="1" creation_time="0" snap_time="2">
    <range_mapping origin_begin="0" data_begin="30" length="4" time="0"/>
    <single_mapping origin_block="4" data_block="50" time="2"/>
    <range_mapping origin_begin="5" data_begin="35" length="4" time="0"/>
  </device>
  <device dev_id="4" mapped_blocks="4" transaction="1" creation_time="0" snap_time="2">
    <range_mapping origin_begin="0" data_begin="5" length="3" time="1"/>
    <single_mapping origin_block="7" data_block="10" time="2"/>
  </device>
</superblock>
`,
    );
  });

  test("refuses what is no pool, and leaves no superblock", (t) => {
    const mapping = (block: number): string => `<single_mapping origin_block="0" data_block="${block}" time="0"/>`;
    for (const [xml, says] of [
      ["", /root|superblock/],
      ["<superblock", /root|unclosed/],
      [pool(device(1, mapping(1000))), /maps to data block 1000; the pool has 1000 blocks/],
      [pool(device(1, "") + device(1, "")), /device 1 is there twice/],
      [pool(mapping(1)), /outside of a device/],
      [pool(device(20_000_000, "")), /ids go to/],
      [pool("<other/>"), /<other>/],
      [pool(device(1, '<single_mapping origin_block="-1" data_block="0" time="0"/>')), /origin_block="-1"/],
      [pool(device(1, "")).replace("</device>", ""), /XML/],
    ] as const) {
      assert.match(restored(t, xml), says);
    }
    const folder = scratchFolder(t);
    const file = join(folder, "metadata");
    madePools[0].make(file);
    writeFileSync(join(folder, "xml"), pool(device(1, mapping(1000))));
    assert.equal(ours("thin_restore", "-i", join(folder, "xml"), "-o", file).status, 1);
    assert.match(ours("thin_check", file).stderr, /superblock: it is empty/);
  });

  test("a device that is too small is told so", (t) => {
    const folder = scratchFolder(t);
    const big = join(folder, "big");
    madePools[1].make(big);
    const xml = join(folder, "xml");
    ours("thin_dump", "-o", xml, big);
    // What lies in one piece takes a line there; the trees take a thousand blocks.
    const small = join(folder, "small");
    copyFileSync(big, small);
    truncateSync(small, 200 * 4096);
    const { status, stderr } = ours("thin_restore", "-i", xml, "-o", small);
    assert.equal(status, 1);
    assert.match(stderr, /full/);
  });
});
