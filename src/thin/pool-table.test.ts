import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPoolTable, parsePoolTable } from "./pool-table.ts";
import { ThinError } from "./errors.ts";

const plain = "0 2097152 thin-pool /dev/loop1 /dev/loop0 128 32768";

test("a pool table is read and written as the kernel does", () => {
  const table = parsePoolTable(`${plain} 2 error_if_no_space skip_block_zeroing`);
  assert.deepEqual(table, {
    sectors: 2097152,
    metadataDevice: "/dev/loop1",
    dataDevice: "/dev/loop0",
    blockSizeSectors: 128,
    lowWaterMarkBlocks: 32768,
    skipBlockZeroing: true,
    ignoreDiscard: false,
    noDiscardPassdown: false,
    readOnly: false,
    errorIfNoSpace: true,
  });
  assert.equal(formatPoolTable(table), `${plain} 2 skip_block_zeroing error_if_no_space`);
  assert.equal(formatPoolTable(parsePoolTable(plain)), `${plain} 0`);
  const all = `${plain} 5 skip_block_zeroing ignore_discard no_discard_passdown read_only error_if_no_space`;
  assert.equal(formatPoolTable(parsePoolTable(all)), all);
});

test("a pool table at fault is refused by what is wrong with it", () => {
  const refusals: [string, RegExp][] = [
    ["0 2048 thin /dev/loop1 /dev/loop0 128 0", /target is 'thin'/],
    ["1 2048 thin-pool m d 128 0", /start at sector 0/],
    ["0 2048 thin-pool m d 128", /wants METADATA DATA/],
    ["0 many thin-pool m d 128 0", /length 'many'/],
    ["0 2048 thin-pool m d 128 -1", /low water mark '-1'/],
    ["0 2048 thin-pool m d 128 0 2 read_only", /number of features/],
    ["0 2048 thin-pool m d 128 0 1 quickly", /no such pool feature: 'quickly'/],
    ["", /target is ''/],
  ];
  for (const block of ["64", "100", "129", "0", "2097280", "4194304"]) {
    refusals.push([`0 2048 thin-pool m d ${block} 0`, new RegExp(`block size of ${block} sectors.*multiple of 128`)]);
  }
  for (const [line, why] of refusals) {
    assert.throws(
      () => parsePoolTable(line),
      (error) => error instanceof ThinError && error.code === "EINVAL" && why.test(error.message),
      line,
    );
  }
  for (const block of ["128", "256", "384", "2048", "2097152"]) {
    assert.equal(parsePoolTable(`0 9999999 thin-pool m d ${block} 0`).blockSizeSectors, Number(block));
  }
});
