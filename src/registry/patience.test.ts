import assert from "node:assert/strict";
import { test } from "node:test";
import { pauseBefore, retryAfterMs } from "./patience.ts";

const patience = { connectMs: 1, answerMs: 1, stallMs: 1, retries: 2, pauseMs: 1 };

test("reads Retry-After as seconds and as a date", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  assert.equal(retryAfterMs(undefined, now), undefined);
  assert.equal(retryAfterMs("3", now), 3000);
  assert.equal(retryAfterMs("Sun, 01 Mar 2026 12:00:05 GMT", now), 5000);
  assert.equal(retryAfterMs("Sun, 01 Mar 2026 11:00:00 GMT", now), 0);
  assert.equal(retryAfterMs("soon", now), undefined);
});

test("waits as often as there are attempts, not for too long a wait, and not when aborted", async () => {
  assert.equal(await pauseBefore(2, patience, undefined, undefined), true);
  assert.equal(await pauseBefore(3, patience, undefined, undefined), false);
  assert.equal(await pauseBefore(1, patience, 86_400_000, undefined), false);
  const aborted = AbortSignal.abort(new Error("enough"));
  await assert.rejects(pauseBefore(1, patience, 60_000, aborted), /enough/);
});
