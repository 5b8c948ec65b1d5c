import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { until } from "../linux/testing/until.ts";
import { DownloadQueue, type StartDownload } from "./download-queue.ts";

const CHUNK = 1000;

/** Downloads that a test lets come, and counts. */
class Downloads {
  readonly given: number[];
  readonly stopped: boolean[];
  readonly folder: string;
  #started = 0;

  constructor(t: TestContext, chunks: readonly number[]) {
    this.given = chunks.map(() => 0);
    this.stopped = chunks.map(() => false);
    this.folder = mkdtempSync(join(tmpdir(), "mica-queue-"));
    t.after(() => rmSync(this.folder, { recursive: true }));
    this.starts = chunks.map((count, index) => (signal) => this.#chunks(index, count, signal));
  }

  readonly starts: StartDownload[];

  get started(): number {
    return this.#started;
  }

  async *#chunks(index: number, count: number, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    this.#started++;
    try {
      for (; this.given[index] < count;) {
        await turn();
        signal.throwIfAborted();
        this.given[index]++;
        yield Buffer.alloc(CHUNK, index);
      }
    } finally {
      this.stopped[index] = true;
    }
  }

  /** Waits until so many have been asked for their first chunk: a queue makes a download's file before that. */
  async untilStarted(count: number): Promise<void> {
    await until(`${count} downloads have begun`, () => this.#started === count);
  }

  queue(limits: { parallel: number; spoolChunks: number }, first = 0): DownloadQueue {
    const { parallel, spoolChunks } = limits;
    return new DownloadQueue(this.starts, first, { folder: this.folder, parallel, spoolBytes: spoolChunks * CHUNK });
  }
}

/** Long enough for what may happen to happen. */
async function turns(): Promise<void> {
  for (let each = 0; each < 20; each++) await sleep(5);
}

test("gives each download whole, in order, and leaves no file", async (t) => {
  const downloads = new Downloads(t, [5, 20, 1, 0, 7]);
  const queue = downloads.queue({ parallel: 3, spoolChunks: 10 });
  for (const [index, chunks] of [5, 20, 1, 0, 7].entries()) {
    assert.deepEqual(await buffer(queue.read(index)), Buffer.alloc(chunks * CHUNK, index));
  }
  // A second reading downloads again.
  downloads.given[2] = 0;
  assert.equal((await buffer(queue.read(2))).length, CHUNK);
  await queue.close();
  assert.deepEqual(readdirSync(downloads.folder), []);
});

test("runs no further ahead than it may, and is never stuck for it", async (t) => {
  const downloads = new Downloads(t, [50, 50, 50, 50]);
  const queue = downloads.queue({ parallel: 2, spoolChunks: 8 });
  await downloads.untilStarted(2);
  await turns();
  assert.equal(downloads.started, 2);
  const [first, second, ...others] = downloads.given;
  assert.ok(first + second <= 10, `${first} and ${second} chunks were kept`);
  assert.deepEqual(others, [0, 0]);
  for (const index of [0, 1, 2, 3]) assert.equal((await buffer(queue.read(index))).length, 50 * CHUNK);
  await queue.close();
});

test("begins with the first that is wanted, and not what was dropped", async (t) => {
  const downloads = new Downloads(t, [3, 3, 3, 3]);
  const queue = downloads.queue({ parallel: 1, spoolChunks: 100 }, 1);
  await queue.drop(2);
  await until("the last one is there", () => downloads.given[3] === 3);
  assert.deepEqual(downloads.given, [0, 3, 0, 3]);
  assert.equal((await buffer(queue.read(0))).length, 3 * CHUNK);
  await queue.close();
});

test("fails where it is read, and ends all when it is closed", async (t) => {
  const downloads = new Downloads(t, [3, 1000, 1000]);
  downloads.starts[0] = async function* () {
    await turn();
    yield Buffer.alloc(1);
    throw new Error("broken line");
  };
  const queue = downloads.queue({ parallel: 3, spoolChunks: 20 });
  await downloads.untilStarted(2);
  await assert.rejects(buffer(queue.read(0)), /broken line/);
  const reading = queue.read(1);
  reading.on("error", () => undefined);
  await queue.close();
  await turns();
  assert.deepEqual(downloads.stopped.slice(1), [true, true]);
  assert.deepEqual(readdirSync(downloads.folder), []);
});
