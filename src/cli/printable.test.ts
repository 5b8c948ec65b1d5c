import assert from "node:assert/strict";
import { test } from "node:test";
import { printable } from "./printable.ts";

test("what steers a terminal is shown as a question mark, and the rest as it is", () => {
  assert.equal(printable("a\u001b[31mb\u0007c\u009b d\r"), "a?[31mb?c? d?");
  assert.equal(printable("Ätsch:\n\tzwei Zeilen"), "Ätsch:\n\tzwei Zeilen");
});
