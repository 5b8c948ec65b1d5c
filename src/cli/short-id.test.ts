import assert from "node:assert/strict";
import { test } from "node:test";
import { shortId } from "./short-id.ts";

test("digests are shortened, and what tells devices apart stays", () => {
  const digest = "0123456789abcdef".repeat(4);
  assert.equal(shortId(`sha256:${digest}`), "0123456789ab");
  assert.equal(shortId(digest), "0123456789ab");
  assert.equal(shortId(`${digest}-init`), "0123456789ab-init");
  assert.equal(shortId("golden-postgres-16"), "golden-postgres-16");
  assert.equal(shortId("base"), "base");
});
