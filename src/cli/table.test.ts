import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTable } from "./table.ts";

test("columns are aligned, numbers to the right, nothing at a line's end", () => {
  const columns = [{ heading: "NAME" }, { heading: "SIZE", align: "right" as const }, { heading: "WHERE" }];
  const rows = [
    ["a", 5, undefined],
    ["longer", 12345, ""],
    ["b", "", "/mnt"],
  ];
  assert.equal(
    formatTable(columns, rows),
    ["NAME     SIZE  WHERE", "a           5  -", "longer  12345  -", "b           -  /mnt"].join("\n"),
  );
});

test("a table without rows is its heading", () => {
  assert.equal(formatTable([{ heading: "NAME" }], []), "NAME");
});
