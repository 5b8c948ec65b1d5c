import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { suite, test } from "node:test";
import { blockBytes } from "../persistent-data/block.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { ThinError } from "../thin/errors.ts";
import { haveThinTools, RecordingBlockFile, seededRandom } from "../thin/metadata.testing.ts";
import { dump } from "./dump.ts";
import { examine } from "./examination.ts";
import { PoolReader, readState } from "./pool-reader.ts";
import { agePool, poolShapes } from "./testing/aged-pools.ts";
import { memoryFolder, soundOnes } from "./testing/many-checks.ts";
import { type Damaged, RandomDamage } from "./testing/random-damage.ts";

/** Another seed, and more damages to each pool, look further: MICA_DAMAGE_SEED, MICA_DAMAGES. */
const seed = Number(process.env.MICA_DAMAGE_SEED ?? 20);
const damages = Number(process.env.MICA_DAMAGES ?? 96);
const atOnce = 24;

function nothing(): void {
  // Nobody is told.
}

function fileOf(content: Uint8Array): RecordingBlockFile {
  const file = new RecordingBlockFile(content.length / blockBytes);
  file.content.set(content);
  return file;
}

/** Dumping ends, and if with an error then with one that says what is damaged. */
function assertDumps(content: Uint8Array, where: string): void {
  const sink = { beginPool: nothing, beginDevice: nothing, map: nothing, endDevice: nothing, endPool: nothing };
  const file = fileOf(content);
  try {
    dump(new PoolReader(file, readState(file, "committed")), sink);
  } catch (error) {
    assert.ok(error instanceof MetadataError || error instanceof ThinError, `${String(error)}; ${where}`);
  }
}

suite(`no damage passes that thin_check finds, and none breaks a tool (seed ${seed}, ${damages} of each)`, () => {
  for (const shape of poolShapes) {
    test(shape.name, { skip: haveThinTools ? false : "thin-provisioning-tools are not installed" }, (t) => {
      const folder = memoryFolder();
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const pool = agePool(shape, seed);
      const damage = new RandomDamage(pool, seededRandom(seed));
      let caught = 0;
      for (let done = 0; done < damages; done += atOnce) {
        const batch = Array.from({ length: Math.min(atOnce, damages - done) }, () => damage.next());
        const where = ({ what }: Damaged, i: number): string => `damage ${done + i} of seed ${seed}: ${what}`;
        const passed = batch.map(({ content }) => examine(fileOf(content)).problems.worst === undefined);
        for (const [i, sound] of soundOnes(
          folder,
          batch.map(({ content }) => content),
        ).entries()) {
          if (!sound) assert.ok(!passed[i], `thin_check finds what is passed here; ${where(batch[i], i)}`);
          if (!passed[i]) caught++;
          assertDumps(batch[i].content, where(batch[i], i));
        }
      }
      t.diagnostic(`${caught} of ${damages} damages found`);
      assert.ok(caught > damages / 2);
    });
  }
});
