import assert from "node:assert/strict";
import { copyFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { check } from "../../src/metadata-tools/check.ts";
import { PoolBuilder } from "../../src/metadata-tools/pool-builder.ts";
import { repair } from "../../src/metadata-tools/repair/repair.ts";
import { openBlockFile } from "../../src/persistent-data/block-file.ts";
import { ThinMetadata } from "../../src/thin/metadata.ts";
import {
  engineDump,
  haveThinTools,
  makeBlockFile,
  seededRandom,
  thinCheckComplaints,
  thinDump,
  withFolder,
} from "../../src/thin/metadata.testing.ts";
import { allFields, ours, requireSameOutput } from "../thin-tools-support.ts";
import { missingForKernel, runInKernel } from "./qemu-kernel.ts";
import { kernelNames, ranInKernel } from "./ran-in-kernel.ts";

const missing = missingForKernel() ?? (haveThinTools ? undefined : "thin-provisioning-tools are not installed");

const dataBlocks = 60_000;
const metadataBlocks = 16_500;

/** Trees of three levels, counts beyond what bitmaps and bytes hold, a metadata snapshot: all that the format has. */
function fill(metadata: ThinMetadata): void {
  const nothing = (): void => undefined;
  const random = seededRandom(5);
  metadata.createThin(1);
  const base = metadata.openDevice(1);
  for (let i = 0; i < 48_000; i++) {
    const block = random(100_000);
    if (base.lookup(block) < 0) base.insert(block, metadata.allocateDataBlock());
  }
  metadata.createSnapshot(2, 1);
  metadata.createThin(3);
  for (let block = 0; block < 300; block++) metadata.openDevice(3).insert(block, metadata.allocateDataBlock());
  for (let id = 4; id <= 300; id++) {
    metadata.createSnapshot(id, id % 7 === 0 ? id - 1 : 3);
    metadata.openDevice(id).insert(random(300), metadata.allocateDataBlock());
    if (id % 10 === 0) metadata.openDevice(id).remove(random(200), 250);
  }
  metadata.setTransactionId(0, 5);
  metadata.reserveMetadataSnapshot(nothing);
  base.remove(300, 400);
  metadata.commit(nothing);
}

/** Metadata without its superblock, repaired; device 3 is read to its end, and device 4 written to. */
const repairedScript = `
dmsetup create repaired --table "0 ${55_000 * 128} thin-pool /dev/vdc /dev/vdb 128 0"
echo "repaired: $(dmsetup status repaired)"
for id in 1 3 4; do dmsetup create r$id --table "0 12800000 thin /dev/mapper/repaired $id"; done
echo "repaired thin: $(dmsetup status r1)"
dd if=/dev/mapper/r3 of=/dev/null bs=64k count=300 2>/dev/null && echo "repaired read"
dd if=/dev/zero of=/dev/mapper/r4 bs=64k seek=400 count=10 conv=fsync 2>/dev/null && echo "repaired written"
for id in 1 3 4; do dmsetup remove r$id; done
echo "repaired after: $(dmsetup status repaired)"
dmsetup remove repaired`;

const script = `${repairedScript}
dmsetup create pool --table "0 ${dataBlocks * 128} thin-pool /dev/vda /dev/vdb 128 0"
echo "status: $(dmsetup status pool)"
for id in 1 2 21; do dmsetup create v$id --table "0 12800000 thin /dev/mapper/pool $id"; done
echo "thin: $(dmsetup status v1)"
dd if=/dev/urandom of=/dev/mapper/v1 bs=64k seek=200 count=300 conv=fsync 2>/dev/null
dd if=/dev/urandom of=/dev/mapper/v21 bs=64k seek=50 count=100 conv=fsync 2>/dev/null
blkdiscard -o 6553600 -l 65536000 /dev/mapper/v2
dmsetup message pool 0 release_metadata_snap
dmsetup suspend v1
dmsetup message pool 0 "create_snap 1000 1"
dmsetup resume v1
dd if=/dev/urandom of=/dev/mapper/v1 bs=64k seek=90000 count=20 conv=fsync 2>/dev/null
for id in 1 2 21; do dmsetup remove v$id; done
for id in $(seq 31 60); do dmsetup message pool 0 "delete $id"; done
dmsetup message pool 0 "set_transaction_id 5 6"
dmsetup message pool 0 reserve_metadata_snap
dmsetup message pool 0 "create_thin 2000"
dmsetup message pool 0 "delete 100"
echo "after: $(dmsetup status pool)"
dmsetup remove pool`;

function repairWithoutSuperblock(path: string, into: string): void {
  const damaged = `${into}.damaged`;
  copyFileSync(path, damaged);
  const block = openBlockFile(damaged);
  block.write(0, [new Uint8Array(4096)]);
  makeBlockFile(into, 40_000);
  const output = openBlockFile(into);
  repair(block, new PoolBuilder(output), {
    description: { transactionId: 5, dataBlockSize: 128, dataBlocks: 55_000 },
  });
  block.close();
  output.close();
}

test(
  "the kernel grows, uses and changes metadata made here, and it comes back sound",
  { skip: missing ?? false },
  (t) =>
    withFolder(async (folder) => {
      const path = join(folder, "metadata");
      const data = join(folder, "data");
      makeBlockFile(path, 16_000);
      makeBlockFile(data, dataBlocks * 16);
      const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: 55_000 });
      fill(metadata);
      const { mappedBlocks } = metadata.openDevice(1);
      const highest = metadata.openDevice(1).highestMapped();
      metadata.close();
      assert.equal(thinCheckComplaints(path), "");
      const before = thinDump(path);
      const repaired = join(folder, "repaired");
      repairWithoutSuperblock(path, repaired);
      assert.equal(thinCheckComplaints(repaired), "");
      assert.deepEqual(thinDump(repaired), before);
      truncateSync(path, metadataBlocks * 4096);

      const output = await runInKernel(script, [path, data, repaired]);
      ranInKernel(t, kernelNames.qemu, 1);
      assert.match(output, /repaired: 0 \d+ thin-pool 5 \d+\/\d+ \d+\/55000 - rw /);
      assert.match(output, new RegExp(`repaired thin: 0 12800000 thin ${mappedBlocks * 128} ${highest * 128 + 127}`));
      assert.match(output, /repaired read\n[^]*repaired written\n[^]*repaired after: 0 \d+ thin-pool 5 .* - rw /);
      assert.equal(thinCheckComplaints(repaired), "");
      assert.match(output, new RegExp(`status: 0 \\d+ thin-pool 5 \\d+/${metadataBlocks} \\d+/${dataBlocks} \\d+ rw `));
      assert.match(output, new RegExp(`thin: 0 12800000 thin ${mappedBlocks * 128} ${highest * 128 + 127}`));
      assert.match(output, new RegExp(`after: 0 \\d+ thin-pool 6 \\d+/${metadataBlocks} \\d+/${dataBlocks} \\d+ rw `));

      assert.equal(thinCheckComplaints(path), "");
      assert.deepEqual(check(path), []);
      for (const of of [[], ["-m"]]) {
        requireSameOutput("thin_dump", ...of, path);
        requireSameOutput("thin_ls", ...of, "-o", allFields, path);
        requireSameOutput("thin_delta", ...of, "--snap1", "1", "--snap2", "1000", path);
      }
      assert.equal(ours("thin_check", "-q", "-m", path).status, 0);
      const after = thinDump(path);
      assert.equal(after.size, 300 - 30 + 1);
      for (const id of [3, 101, 299]) assert.deepEqual(after.get(id)!.mappings, before.get(id)!.mappings);
      const again = ThinMetadata.open(path);
      again.releaseMetadataSnapshot();
      assert.deepEqual(engineDump(again), after);
      for (const { id } of [...again.details()]) {
        again.closeDevice(id);
        again.deleteThin(id);
      }
      again.commit(() => undefined);
      assert.equal(again.allocatedDataBlocks, 0);
      assert.equal(thinCheckComplaints(path), "");
      again.close();
    }),
);
