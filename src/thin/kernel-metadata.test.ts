import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { superblockKind } from "../persistent-data/block-kind.ts";
import { seal, sealFault } from "../persistent-data/block-seal.ts";
import { Block, blockBytes } from "../persistent-data/block.ts";
import { ThinMetadata } from "./metadata.ts";
import { engineDump, haveThinTools, thinCheckComplaints, thinDump, withFolder } from "./metadata.testing.ts";

/** A graph that Docker 20.10 made on the kernel's own device mapper. */
const fixture = join(import.meta.dirname, "../../test/fixtures/docker-20.10-graph-ext4.tar.xz");

function missing(): string | undefined {
  if (!existsSync(fixture)) return `the kernel-made pool is not here (${fixture})`;
  return haveThinTools ? undefined : "thin-provisioning-tools are not installed";
}

/** Takes the pool's metadata out of the fixture; the path of it. */
function extract(folder: string): string {
  const member = "devicemapper/devicemapper/metadata";
  execFileSync("tar", ["-xSJf", fixture, "-C", folder, member]);
  return join(folder, member);
}

function nothing(): void {
  // There is no data here to flush.
}

test("a pool that the kernel made reads as thin_dump reads it", (t) => {
  const reason = missing();
  if (reason !== undefined) return t.skip(reason);
  return withFolder((folder) => {
    const path = extract(folder);
    const metadata = ThinMetadata.open(path, { readOnly: true });
    const dump = thinDump(path);
    assert.ok(dump.size > 0);
    assert.deepEqual(engineDump(metadata), dump);
    for (const [id, { mappings }] of dump) {
      const mapping = metadata.openDevice(id);
      for (const [virtualBlock, place] of mappings) {
        const dataBlock = mapping.lookup(virtualBlock);
        assert.equal(`${dataBlock}@${mapping.time}`, place);
      }
      assert.equal(mapping.lookup(mapping.highestMapped() + 1), -1);
    }
    assert.equal(metadata.dataBlockSize, 128);
    assert.throws(() => metadata.createThin(99), { code: "EROFS" });
    metadata.close();
  });
});

test("the kernel's checksums are ours", (t) => {
  const reason = missing();
  if (reason !== undefined) return t.skip(reason);
  return withFolder((folder) => {
    const block = new Block(0);
    block.bytes.set(readFileSync(extract(folder)).subarray(0, blockBytes));
    assert.equal(sealFault(block, superblockKind), undefined);
    const stored = block.words[0];
    seal(block, superblockKind);
    assert.equal(block.words[0], stored);
  });
});

test("a pool that the kernel made can be written to", (t) => {
  const reason = missing();
  if (reason !== undefined) return t.skip(reason);
  return withFolder((folder) => {
    const path = extract(folder);
    const before = thinDump(path);
    const metadata = ThinMetadata.open(path);
    const [origin] = before.keys();
    metadata.createSnapshot(1000, origin);
    const mapping = metadata.openDevice(1000);
    for (let block = 0; block < 2000; block++) {
      const shared = mapping.lookup(block) >= 0;
      assert.equal(shared && mapping.isShared(), shared);
      mapping.insert(block, metadata.allocateDataBlock());
    }
    metadata.openDevice(origin).remove(0, 100);
    metadata.commit(nothing);
    metadata.closeDevice([...before.keys()][1]);
    metadata.deleteThin([...before.keys()][1]);
    metadata.commit(nothing);
    assert.equal(thinCheckComplaints(path), "");
    assert.deepEqual(thinDump(path), engineDump(metadata));
    assert.equal(metadata.transactionId, 7);
    metadata.close();
  });
});

test("version 1 of the format is read, written and kept", (t) => {
  if (!haveThinTools) return t.skip("thin-provisioning-tools are not installed");
  return withFolder((folder) => {
    const path = join(folder, "metadata");
    writeFileSync(path, new Uint8Array(512 * blockBytes));
    ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: 1000 }).close();
    const file = readFileSync(path);
    const block = new Block(0);
    block.bytes.set(file.subarray(0, blockBytes));
    block.words[10] = 1;
    seal(block, superblockKind);
    file.set(block.bytes);
    const older = join(folder, "older");
    copyFileSync(path, older);
    writeFileSync(older, file);
    const metadata = ThinMetadata.open(older);
    assert.equal(metadata.version, 1);
    metadata.createThin(1);
    metadata.openDevice(1).insert(5, metadata.allocateDataBlock());
    metadata.commit(nothing);
    metadata.abort();
    assert.equal(metadata.version, 1);
    assert.equal(metadata.openDevice(1).lookup(5), 0);
    assert.equal(thinCheckComplaints(older), "");
    metadata.close();
  });
});
