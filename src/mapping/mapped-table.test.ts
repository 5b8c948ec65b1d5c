import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatMappedTable, parseMappedTable, placesOf } from "./mapped-table.ts";

describe("tables of mapped devices", () => {
  test("are read, and written as they were", () => {
    const text = [
      "0 100 linear /dev/sda 8",
      "100 64 striped 2 16 /dev/sdb 0 /dev/sdc 7",
      "164 1 zero",
      "165 1099511627776 error",
    ].join("\n");
    const table = parseMappedTable(text);
    assert.equal(formatMappedTable(table), text);
    assert.deepEqual(placesOf(table), [
      { device: "/dev/sda", offset: 8, length: 100 },
      { device: "/dev/sdb", offset: 0, length: 32 },
      { device: "/dev/sdc", offset: 7, length: 32 },
    ]);
    assert.deepEqual(table.segments[1], {
      start: 100,
      length: 64,
      target: "striped",
      chunkSectors: 16,
      stripes: [
        { device: "/dev/sdb", offset: 0 },
        { device: "/dev/sdc", offset: 7 },
      ],
    });
  });

  test("may be read-only, have blank lines, tabs and what an error target does not look at", () => {
    const table = parseMappedTable("read_only\n\n 0\t8  error 1 2\n\n");
    assert.equal(table.readOnly, true);
    assert.equal(formatMappedTable(table), "read_only\n0 8 error");
    assert.deepEqual(parseMappedTable(formatMappedTable(table)), table);
  });

  for (const [text, why] of [
    ["", /empty table/],
    ["0 8", /wants START LENGTH TARGET/],
    ["0 x zero", /wants START LENGTH TARGET/],
    ["-1 8 zero", /wants START LENGTH TARGET/],
    ["0 0 zero", /its length is zero/],
    ["1 8 zero", /leaves a gap: it should start at sector 0/],
    ["0 8 zero\n9 8 zero", /leaves a gap: it should start at sector 8/],
    ["0 8 zero\n7 8 zero", /should start at sector 8/],
    ["0 9007199254740991 zero", /ends too far behind/],
    ["0 8 zero x", /zero takes no arguments/],
    ["0 8 linear /dev/sda", /linear wants DEVICE OFFSET/],
    ["0 8 linear /dev/sda 0 0", /linear wants DEVICE OFFSET/],
    ["0 8 linear /dev/sda 1k", /'1k' is no sector/],
    ["0 8 linear /dev/sda -1", /'-1' is no sector/],
    ["0 8 striped 1", /striped wants STRIPES CHUNK/],
    ["0 8 striped 0 8", /'0' is no number of stripes/],
    ["0 8 striped 1 0 /dev/sda 0", /'0' is no chunk size/],
    ["0 8 striped 1 4294967296 /dev/sda 0", /is no chunk size/],
    ["0 9 striped 2 1 a 0 b 0", /not divisible by the number of stripes/],
    ["0 24 striped 2 8 a 0 b 0", /not divisible by the chunk size/],
    ["0 16 striped 2 8 a 0", /DEVICE OFFSET for each of 2 stripes/],
    ["0 16 striped 2 8 a 0 b", /DEVICE OFFSET for each of 2 stripes/],
    ["0 8 thin pool 1", /there is no target 'thin'/],
    ["0 8 toString", /there is no target 'toString'/],
  ] as const) {
    test(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseMappedTable(text), { code: "EINVAL", message: why });
    });
  }

  test("chunks need be no power of two, as in the kernel", () => {
    assert.equal(parseMappedTable("0 42 striped 2 7 a 0 b 0").segments.length, 1);
  });
});
