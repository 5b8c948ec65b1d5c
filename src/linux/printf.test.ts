import assert from "node:assert/strict";
import { test } from "node:test";
import { format } from "./printf.ts";

const strings = new Map([
  [1n, "pool"],
  [2n, "ENXIO"],
]);
const printed = (template: string, ...values: (number | bigint)[]) =>
  format(template, values, (address) => strings.get(address) ?? "?");

test("libdevmapper's own formats", () => {
  assert.equal(printed("%s ioctl on %s%.0d%s failed: %s", 1, 1, 0, 2, 2, 9), "pool ioctl on poolENXIO failed: ENXIO");
  assert.equal(printed("dm %s [%zu] (*%u)", 1, 16384n, 3, 0), "dm pool [16384] (*3)");
  assert.equal(
    printed("cookie 0x%x (semid %d): %lu %llu", 0xd4d1234, -1, 2n ** 40n, 7, 0),
    "cookie 0xd4d1234 (semid -1): 1099511627776 7",
  );
  assert.equal(printed("100%% of %-6s|%4u|%04u|%.3s", 1, 42, 42, 2, 0), "100% of pool  |  42|0042|ENX");
});

test("values are as wide as C has them", () => {
  assert.equal(
    printed("%d %u %ld %x", 0xffffffffffffffffn, 0x1_0000_0005n, 0xffffffffffffffffn, 0x1_0000_00ffn, 0),
    "-1 5 -1 ff",
  );
  assert.equal(printed("%c%c %p %o %X", 0x41, 0x142, 0x1000n, 8, 255, 0), "AB 0x1000 10 FF");
  assert.equal(printed("%s", 0, 0), "(null)");
});

test("a format with more values than were passed says so", () => {
  assert.equal(printed("%d %d", 1), "1 …");
});
