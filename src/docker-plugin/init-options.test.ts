import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseStorageOptions } from "../graph/options/parse-storage-options.ts";
import { checkInitOptions } from "./init-options.ts";

const graph = parseStorageOptions(["dm.basesize=20G", "dm.mountopt=discard", "dm.mkfsarg=-O ^metadata_csum"]);

test("options of dockerd that say what the graph's say may stay where they were", () => {
  assert.deepEqual(checkInitOptions([], graph), []);
  const same = [
    "dm.basesize=20GiB",
    "DM.BASESIZE=20480M",
    "dm.blocksize=64K",
    "dm.loopdatasize=100G",
    "dm.mountopt=discard",
  ];
  assert.deepEqual(checkInitOptions([...same, "dm.use_deferred_removal=true", "dm.min_free_space=10%"], graph), []);
  const pool = parseStorageOptions(["dm.thinpooldev=docker-pool"]);
  assert.deepEqual(checkInitOptions(["dm.thinpooldev=/dev/mapper/docker-pool"], pool), []);
  const lvm = parseStorageOptions(["dm.directlvm_device=/dev/sdb"]);
  const lvmOptions = ["dm.directlvm_device=/dev/sdb", "dm.thinp_autoextend_percent=20"];
  assert.deepEqual(checkInitOptions(lvmOptions, lvm), []);
  assert.throws(() => checkInitOptions([...lvmOptions, "dm.thinp_autoextend_threshold=70"], lvm), /its default, 80/);
});

test("those that only say how a graph is made or opened are left out of account", () => {
  const given = ["dm.fs=xfs", "dm.mkfsarg=-m 0", "dm.override_udev_sync_check=true", "dm.libdm_log_level=7"];
  assert.deepEqual(checkInitOptions(given, graph), [
    "dm.fs",
    "dm.mkfsarg",
    "dm.override_udev_sync_check",
    "dm.libdm_log_level",
  ]);
});

test("other values, and what is no option, are refused by name", () => {
  const refused: [string, RegExp][] = [
    ["dm.basesize=10G", /Cannot use dm.basesize=10G: the graph is open with 20G\. Give Mica's options to the daemon/],
    ["dm.blocksize=512K", /dm.blocksize=512K: the graph is open with its default, 65536/],
    ["dm.thinpooldev=docker-pool", /dm.thinpooldev=docker-pool: the graph is open with none/],
    ["dm.use_deferred_removal=false", /dm.use_deferred_removal=false: the graph is open with its default, true/],
    ["dm.thinp_autoextend_percent=30", /dm.directlvm_device has to name the block device/],
    ["dm.unknown=1", /'dm.unknown': unknown storage option/],
    ["overlay2.size=10G", /'overlay2.size': unknown storage option/],
    ["dm.blocksize=1", /dm.blocksize=1: /],
    ["dm.blocksize", /write it as dm.KEY=VALUE/],
  ];
  for (const [option, expected] of refused) assert.throws(() => checkInitOptions([option], graph), expected, option);
});

test("every option is either compared or left out of account", () => {
  const source = readFileSync(new URL("../graph/options/parse-storage-options.ts", import.meta.url), "utf8");
  const here = readFileSync(new URL("./init-options.ts", import.meta.url), "utf8");
  const table = source.slice(source.indexOf("const readers"), source.indexOf("\n};"));
  const keys = [...table.matchAll(/^ {2}(\w+): /gm)].map((match) => match[1]);
  assert.ok(keys.length > 20);
  for (const key of keys) assert.match(here, new RegExp(`^ {2}"?${key}"?[:,]`, "m"), key);
});
