import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { suite, test } from "node:test";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { ThinError } from "../thin/errors.ts";
import { haveThinTools, seededRandom } from "../thin/metadata.testing.ts";
import { dump } from "./dump.ts";
import { examine } from "./examination.ts";
import { PoolReader, readState } from "./pool-reader.ts";
import { agePool, type AgedPool, poolShapes } from "./testing/aged-pools.ts";
import { intactMappings } from "./testing/intact-mappings.ts";
import { memoryFolder, soundOnes } from "./testing/many-checks.ts";
import { type Damaged, RandomDamage } from "./testing/random-damage.ts";
import { fileOf, type RepairedPool, repairPool } from "./testing/repaired-pool.ts";

/** Another seed, and more damages to each pool, look further: MICA_DAMAGE_SEED, MICA_DAMAGES. */
const seed = Number(process.env.MICA_DAMAGE_SEED ?? 20);
const damages = Number(process.env.MICA_DAMAGES ?? 24);
const atOnce = 24;
const skip = haveThinTools ? false : "thin-provisioning-tools are not installed";

function nothing(): void {
  // Nobody is told.
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

/** The repaired pool; undefined where the repair refuses, with a reason, which it only does to what does not show that it is damaged. */
function repaired(pool: AgedPool, { content, shows }: Damaged, where: string): RepairedPool | undefined {
  try {
    return repairPool(pool, content);
  } catch (error) {
    assert.ok(error instanceof ThinError && !shows, `${String(error)}; ${where}`);
    return undefined;
  }
}

/** A repair says what it did, makes nothing up, and loses nothing that nothing happened to. */
function assertRepaired(pool: AgedPool, damaged: Damaged, { model, report }: RepairedPool, where: string): void {
  for (const { id, kept } of report.devices) assert.equal(model.get(id)?.mappings.size ?? 0, kept, where);
  // What looks sound and is not cannot be told from what is.
  if (!damaged.shows) return;
  const found = report.roots.source === "found";
  const commits = found ? pool.commits : [pool.last];
  for (const [id, { mappings }] of model) {
    const isOf = commits.some((commit) => {
      const had = commit.model.get(id)?.mappings;
      return had !== undefined && [...mappings].every(([block, to]) => had.get(block) === to);
    });
    assert.ok(isOf, `device ${id} has what no commit had; ${where}`);
  }
  if (found) return;
  for (const [id, mappings] of intactMappings(pool.last.content, damaged.blocks)) {
    const kept = model.get(id)?.mappings;
    for (const [block, to] of mappings) assert.equal(kept?.get(block), to, `device ${id}, block ${block}; ${where}`);
  }
}

suite(`random damage (seed ${seed}, ${damages} to each pool)`, () => {
  for (const shape of poolShapes) {
    test(`${shape.name}: nothing passes that thin_check finds, and what is repaired passes it`, { skip }, (t) => {
      const folder = memoryFolder();
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const pool = agePool(shape, seed);
      const damage = new RandomDamage(pool, seededRandom(seed));
      let caught = 0;
      let mended = 0;
      for (let done = 0; done < damages; done += atOnce) {
        const batch = Array.from({ length: Math.min(atOnce, damages - done) }, (_, i) => {
          const damaged = damage.next();
          const where = `damage ${done + i} of seed ${seed}: ${damaged.what}`;
          const passed = examine(fileOf(damaged.content)).problems.worst === undefined;
          assertDumps(damaged.content, where);
          const result = repaired(pool, damaged, where);
          if (result !== undefined) assertRepaired(pool, damaged, result, where);
          return { content: damaged.content, where, passed, result: result?.content };
        });
        const sound = soundOnes(
          folder,
          batch.map(({ content }) => content),
        );
        for (const [i, { passed, where }] of batch.entries()) {
          assert.ok(sound[i] || !passed, `thin_check finds what is passed here; ${where}`);
          if (!passed) caught++;
        }
        const results = batch.filter(({ result }) => result !== undefined);
        for (const [i, isSound] of soundOnes(
          folder,
          results.map(({ result }) => result!),
        ).entries()) {
          assert.ok(isSound, `what was repaired is not sound; ${results[i].where}`);
          mended++;
        }
      }
      t.diagnostic(`of ${damages} damages ${caught} found, ${mended} repaired`);
      assert.ok(caught > damages / 2);
    });
  }
});
