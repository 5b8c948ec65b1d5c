import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { keepHouse } from "./housekeeping.ts";

test("keeps house every half a minute, also after a failure, and no more when it is ended", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const done: string[] = [];
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const end = keepHouse(
    {
      devices: { keepWatched: () => void done.push("watched") },
      store: {
        settle: () => {
          done.push("settled");
          return done.length > 2 ? Promise.resolve() : Promise.reject(new Error("no such luck"));
        },
      },
    },
    log,
  );
  t.mock.timers.tick(29_000);
  assert.deepEqual(done, []);
  t.mock.timers.tick(31_000);
  t.mock.timers.tick(30_000);
  await end();
  assert.deepEqual(done, ["watched", "settled", "watched", "settled", "watched", "settled"]);
  assert.equal(lines.filter((line) => line.includes("no such luck")).length, 1);
  t.mock.timers.tick(60_000);
  await end();
  assert.equal(done.length, 6);
});
