import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bitmapKind, indexKind, superblockKind } from "../persistent-data/block-kind.ts";
import { seal, sealFault } from "../persistent-data/block-seal.ts";
import { Block, blockBytes } from "../persistent-data/block.ts";
import { btreeNodeKind } from "../persistent-data/btree-node.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { openReadAheadFile } from "../persistent-data/read-ahead-file.ts";
import { ThinError } from "../thin/errors.ts";
import { ThinMetadata } from "../thin/metadata.ts";
import { haveThinTools, makeBlockFile, seededRandom, withFolder } from "../thin/metadata.testing.ts";
import { dump } from "./dump.ts";
import { examine } from "./examination.ts";
import { PoolReader, readState } from "./pool-reader.ts";

const blocks = 160;
const damages = Number(process.env.MICA_DAMAGES ?? 400);
const wordsOfBlock = blockBytes / 4;
const kinds = [superblockKind, btreeNodeKind, bitmapKind, indexKind];

function nothing(): void {
  // There is no data to flush, and nobody to tell.
}

/** A pool with a bit of everything, in so few blocks that random damage meets all of it. */
function makePool(path: string): void {
  makeBlockFile(path, blocks);
  const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: 20_000 });
  const insert = (id: number, first: number, count: number): void => {
    const mapping = metadata.openDevice(id);
    for (let block = first; block < first + count; block++) mapping.insert(block, metadata.allocateDataBlock());
  };
  metadata.createThin(1);
  insert(1, 0, 3000);
  for (let id = 2; id < 8; id++) {
    metadata.createSnapshot(id, id - 1);
    insert(id, 400 * id, 20);
  }
  metadata.reserveMetadataSnapshot(nothing);
  insert(3, 0, 300);
  metadata.commit(nothing);
  metadata.close();
}

/** A pool's blocks that are in use, and what each is. */
function soundBlocks(content: Uint8Array): Map<number, (typeof kinds)[number]> {
  const found = new Map<number, (typeof kinds)[number]>();
  for (let number = 0; number < blocks; number++) {
    const block = blockOf(content, number);
    const kind = kinds.find((candidate) => sealFault(block, candidate) === undefined);
    if (kind !== undefined) found.set(number, kind);
  }
  return found;
}

function blockOf(content: Uint8Array, number: number): Block {
  const block = new Block(number);
  block.bytes.set(content.subarray(number * blockBytes, (number + 1) * blockBytes));
  return block;
}

/** Numbers that a field could wrongly have. */
function wrongWord(random: (below: number) => number, word: number): number {
  const choices = [0, 1, 2, 0xffffffff, word + 1, word - 1, word ^ (1 << random(32)), random(blocks), random(2 ** 32)];
  return choices[random(choices.length)] >>> 0;
}

/** Changes a block so that its checksum is right again: as a bug would, not as a bad disk. */
function misstate(block: Block, kind: (typeof kinds)[number], random: (below: number) => number): void {
  // What is at the beginning matters most: headers, roots, the first keys.
  const word = 1 + random(random(2) === 0 ? 40 : wordsOfBlock - 1);
  block.words[word] = wrongWord(random, block.words[word]);
  const number = block.words.slice(2, 4);
  seal(block, kind);
  if (word !== 2 && word !== 3) return;
  // The block's own number is what was to be wrong.
  block.words.set(number, 2);
}

/** Another one, and more damages, look further: MICA_DAMAGE_SEED, MICA_DAMAGES. */
const seed = Number(process.env.MICA_DAMAGE_SEED ?? 20);

test(`no damage passes that thin_check finds, and none breaks a tool (seed ${seed}, ${damages} damages)`, (t) => {
  if (!haveThinTools) return t.skip("thin-provisioning-tools are not installed");
  t.diagnostic(`seed ${seed}`);
  return withFolder((folder) => {
    const path = join(folder, "metadata");
    makePool(path);
    const sound = readFileSync(path);
    const inUse = [...soundBlocks(sound)];
    const random = seededRandom(seed);
    let caught = 0;
    for (let round = 0; round < damages; round++) {
      const content = Uint8Array.from(sound);
      const what: string[] = [];
      for (let count = 1 + random(2); count > 0; count--) {
        const [number, kind] = inUse[random(inUse.length)];
        const block = blockOf(content, number);
        if (random(4) === 0) block.bytes[random(blockBytes)] ^= 1 << random(8);
        else misstate(block, kind, random);
        content.set(block.bytes, number * blockBytes);
        what.push(`${kind.name} ${number}`);
      }
      writeFileSync(path, content);
      const where = `round ${round} of seed ${seed}: ${what.join(", ")}`;
      const { worst } = examineFile(path);
      const { status } = spawnSync("/usr/sbin/thin_check", ["-q", path]);
      if (status !== 0) assert.ok(worst !== undefined, `thin_check finds what is passed here; ${where}`);
      if (worst !== undefined) caught++;
      assertDumps(path, where);
    }
    t.diagnostic(`${caught} of ${damages} damages found`);
    assert.ok(caught > damages / 2);
  });
});

function examineFile(path: string): { worst: string | undefined } {
  const file = openReadAheadFile(path);
  try {
    return examine(file).problems;
  } finally {
    file.close();
  }
}

/** Dumping ends, and if with an error then with one that says what is damaged. */
function assertDumps(path: string, where: string): void {
  const file = openReadAheadFile(path);
  const sink = { beginPool: nothing, beginDevice: nothing, map: nothing, endDevice: nothing, endPool: nothing };
  try {
    dump(new PoolReader(file, readState(file, "committed")), sink);
  } catch (error) {
    assert.ok(error instanceof MetadataError || error instanceof ThinError, `${String(error)}; ${where}`);
  } finally {
    file.close();
  }
}
