import assert from "node:assert/strict";
import { test } from "node:test";
import { humanSize, parseSize } from "./size.ts";

test("sizes are read as binary multiples", () => {
  const sizes: [string, number][] = [
    ["512", 512],
    ["0", 0],
    ["64K", 65536],
    ["64k", 65536],
    ["512M", 512 * 2 ** 20],
    ["10G", 10 * 2 ** 30],
    ["10g", 10 * 2 ** 30],
    ["10GB", 10 * 2 ** 30],
    ["10GiB", 10 * 2 ** 30],
    ["1.5T", 1.5 * 2 ** 40],
    ["2 G", 2 * 2 ** 30],
    ["100b", 100],
  ];
  for (const [text, bytes] of sizes) assert.equal(parseSize(text), bytes, text);
});

test("what is no size is refused by name", () => {
  for (const text of ["", "G", "ten", "-1G", "1X", "1G2", "1e3", "0x10", "1GG", "99999999P"]) {
    assert.throws(() => parseSize(text, "dm.basesize"), { code: "EINVAL", message: /dm\.basesize/ }, text);
  }
});

test("sizes are written as docker info does", () => {
  const sizes: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1 kB"],
    [65536, "65.54 kB"],
    [524288, "524.3 kB"],
    [2 ** 30, "1.074 GB"],
    [10 * 2 ** 30, "10.74 GB"],
    [100 * 2 ** 30, "107.4 GB"],
    [2 * 2 ** 30, "2.147 GB"],
    [7_930_000, "7.93 MB"],
    [1_999_950_000, "2 GB"],
    [2 ** 50, "1.126 PB"],
  ];
  for (const [bytes, text] of sizes) assert.equal(humanSize(bytes), text);
});
