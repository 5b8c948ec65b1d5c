import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { JournalFile } from "./journal-file.ts";
import { TmpfsJournalFile } from "./journal-file.ts";
import { Journal } from "./journal.ts";
import { PoolSession } from "./pool-session.ts";

const folder = mkdtempSync(join(tmpdir(), "mica-journal-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function filled(path: string): Journal {
  const journal = new Journal(new TmpfsJournalFile(path), "boot");
  assert.equal(journal.start("superblock", new PoolSession(), []), 0);
  for (let block = 0; block < 20; block++) assert.equal(journal.insert(7, 100 + block, 2 ** 34 + block), 0);
  journal.insert(7, 500, 3);
  assert.equal(journal.flush(), 0);
  assert.equal(journal.append({ kind: "remove", device: 7, begin: 100, end: 104 }), 0);
  assert.equal(journal.append({ kind: "message", line: "create_snap 8 7", answer: "", requestId: "41" }), 0);
  return journal;
}

const expected = [
  { kind: "insert", device: 7, virtualBlock: 100, dataBlock: 2 ** 34, blocks: 20 },
  { kind: "insert", device: 7, virtualBlock: 500, dataBlock: 3, blocks: 1 },
  { kind: "remove", device: 7, begin: 100, end: 104 },
  { kind: "message", line: "create_snap 8 7", answer: "", requestId: "41" },
];

test("what was appended is read back, neighbouring mappings as one record", () => {
  const path = join(folder, "whole");
  filled(path).close();
  const remains = new Journal(new TmpfsJournalFile(path), "boot").remains("superblock");
  assert.deepEqual(remains, { records: expected, extendsSuperblock: true });
});

test("another superblock voids the block changes, another boot voids all", () => {
  const path = join(folder, "tied");
  filled(path).close();
  const file = new TmpfsJournalFile(path);
  assert.equal(new Journal(file, "boot").remains("another").extendsSuperblock, false);
  assert.equal(new Journal(file, "boot").remains("another").records.length, expected.length);
  assert.deepEqual(new Journal(file, "later boot").remains("superblock").records, []);
});

test("a torn or damaged tail is ignored, at any byte", () => {
  const path = join(folder, "torn");
  filled(path).close();
  const bytes = readFileSync(path);
  const lengths = new Set<number>();
  for (let size = bytes.length - 1; size >= 0; size--) {
    truncateSync(path, size);
    const { records } = new Journal(new TmpfsJournalFile(path), "boot").remains("superblock");
    assert.deepEqual(records, expected.slice(0, records.length));
    lengths.add(records.length);
  }
  assert.deepEqual([...lengths], [3, 2, 1, 0]);
  bytes[bytes.length - 3] ^= 1;
  writeFileSync(path, bytes);
  assert.equal(new Journal(new TmpfsJournalFile(path), "boot").remains("superblock").records.length, 3);
});

test("a new start carries the session over: active volumes, the last 64 answers, runs to pass down", () => {
  const path = join(folder, "session");
  const session = new PoolSession();
  session.active.set(3, { id: 3, sizeSectors: 2048, tag: "a name", externalOriginPath: "/origin" });
  for (let id = 0; id < 100; id++) session.remember(`${id}`, `answer ${id}`);
  const journal = filled(path);
  assert.equal(journal.start("next", session, [{ dataBlock: 5, blocks: 2 }]), 0);
  journal.close();
  const { records, extendsSuperblock } = new Journal(new TmpfsJournalFile(path), "boot").remains("next");
  assert.equal(extendsSuperblock, true);
  assert.deepEqual(records.slice(0, 2), [
    { kind: "freed", dataBlock: 5, blocks: 2 },
    { kind: "activate", id: 3, sizeSectors: 2048, tag: "a name", origin: "/origin" },
  ]);
  assert.equal(records.length, 2 + 64);
  assert.deepEqual(records[2], { kind: "answer", requestId: "36", answer: "answer 36" });
});

test("provisioning sixteen blocks is one append", () => {
  const appends: number[] = [];
  const file: JournalFile = {
    contents: () => new Uint8Array(0),
    append: (_, length) => appends.push(length) * 0,
    replace: () => 0,
    remove: () => undefined,
    close: () => undefined,
  };
  const journal = new Journal(file, "boot");
  journal.start("superblock", new PoolSession(), []);
  for (let block = 0; block < 16; block++) journal.insert(1, block, 1000 - block);
  assert.equal(journal.flush(), 0);
  assert.equal(appends.length, 1);
});

test("an append that fails says so and leaves the journal readable", () => {
  const path = join(folder, "closed");
  const journal = filled(path);
  journal.close();
  assert.ok(journal.append({ kind: "deactivate", id: 1 }) < 0);
  assert.equal(new Journal(new TmpfsJournalFile(path), "boot").remains("superblock").records.length, expected.length);
});
