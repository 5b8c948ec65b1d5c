import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

/** Long, as a wait ends when what it waits for is there; shorter than dm-thin holds the writes of a full pool. */
const patienceMs = 50_000;

/** Waits for something to be true; fails when it does not come true. @param told what else to tell then */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  told: () => string = () => "",
): Promise<void> {
  for (const giveUpAt = performance.now() + patienceMs; performance.now() < giveUpAt; await sleep(20)) {
    if (await isTrue()) return;
  }
  assert.fail(`waited in vain until ${what}\n${told()}`);
}
