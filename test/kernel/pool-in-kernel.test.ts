import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parsePoolTable } from "../../src/thin/pool-table.ts";
import { Pool } from "../../src/thin/pool.ts";
import { missingForKernel, runInKernel } from "./qemu-kernel.ts";
import { kernelNames, ranInKernel } from "./ran-in-kernel.ts";

const BLOCK = 64 * 1024;
const VOLUME_BYTES = 8 * 2 ** 20;
const VOLUME_SECTORS = VOLUME_BYTES / 512;
const DATA_SECTORS = (64 * 2 ** 20) / 512;

/** A pool on two files in a folder of its own. */
function makePool(dir: string): { open: () => Pool; files: [string, string] } {
  const files: [string, string] = [join(dir, "metadata"), join(dir, "data")];
  writeFileSync(files[0], "");
  writeFileSync(files[1], "");
  truncateSync(files[0], 4 * 2 ** 20);
  truncateSync(files[1], DATA_SECTORS * 512);
  const table = parsePoolTable(`0 ${DATA_SECTORS} thin-pool ${files[0]} ${files[1]} 128 0`);
  return { open: () => Pool.open({ metadataPath: files[0], dataPath: files[1], table }), files };
}

function write(pool: Pool, id: number, offset: number, bytes: Buffer): void {
  const volume = pool.volume(id) ?? pool.activate(id, VOLUME_SECTORS, { tag: `volume ${id}` });
  assert.equal(volume.write(bytes, 0, offset, bytes.length), 0);
}

function digest(pool: Pool, id: number): string {
  const volume = pool.volume(id) ?? pool.activate(id, VOLUME_SECTORS, { tag: `volume ${id}` });
  const content = Buffer.alloc(VOLUME_BYTES);
  for (let offset = 0; offset < VOLUME_BYTES; offset += 1 << 20) {
    assert.equal(volume.read(content, offset, offset, 1 << 20), 0);
  }
  return createHash("sha256").update(content).digest("hex");
}

/** Bytes that differ by `seed` and position. */
function pattern(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (seed * 31 + i * 7 + (i >> 8)) & 0xff;
  return bytes;
}

const DIGESTS = (ids: readonly number[]): string =>
  ids
    .map(
      (id) =>
        `dmsetup create v${id} --table "0 ${VOLUME_SECTORS} thin /dev/mapper/pool ${id}"\n` +
        `echo "${id} $(sha256sum < /dev/mapper/v${id})"`,
    )
    .join("\n");

function digestsIn(output: string): Map<number, string> {
  return new Map([...output.matchAll(/^(\d+) ([0-9a-f]{64})/gm)].map((match) => [Number(match[1]), match[2]]));
}

const missing = missingForKernel();

test(
  "a pool written in user space is the kernel's, changed there, and comes back",
  { skip: missing ?? false },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), "mica-kernel-test-"));
    try {
      const { open, files } = makePool(dir);
      let pool = open();
      pool.message("create_thin 1");
      for (let block = 0; block < 100; block += 1) write(pool, 1, block * BLOCK, pattern(block, BLOCK));
      pool.message("create_snap 2 1");
      write(pool, 1, 3 * BLOCK + 4096, pattern(201, 8192));
      write(pool, 2, 5 * BLOCK + 512, pattern(202, 3 * BLOCK));
      pool.message("create_snap 3 2");
      assert.equal(pool.volume(2)?.discard(0, 16 * BLOCK), 0);
      write(pool, 3, 110 * BLOCK + 1024, pattern(203, 1024));
      pool.message("create_thin 4");
      pool.message("reserve_metadata_snap");
      pool.message("set_transaction_id 0 9");
      const before = [1, 2, 3, 4].map((id) => digest(pool, id));
      const statusBefore = pool.status();
      assert.equal(pool.close(), 0);

      const output = await runInKernel(
        `dmsetup create pool --table "0 ${DATA_SECTORS} thin-pool /dev/vda /dev/vdb 128 0"
       echo "status: $(dmsetup status pool)"
       ${DIGESTS([1, 2, 3, 4])}
       dmsetup message pool 0 release_metadata_snap
       dd if=/dev/urandom of=/dev/mapper/v4 bs=64k count=40 seek=7 conv=fsync 2>/dev/null
       dd if=/dev/urandom of=/dev/mapper/v1 bs=4k count=3 seek=50 conv=fsync,notrunc 2>/dev/null
       dmsetup suspend v1 && dmsetup message pool 0 "create_snap 5 1" && dmsetup resume v1
       dd if=/dev/zero of=/dev/mapper/v1 bs=64k count=4 seek=60 conv=fsync,notrunc 2>/dev/null
       dmsetup remove v3 && dmsetup message pool 0 "delete 3"
       dmsetup message pool 0 "set_transaction_id 9 10"
       dmsetup create v5 --table "0 ${VOLUME_SECTORS} thin /dev/mapper/pool 5"
       for id in 1 2 4 5; do echo "10$id $(sha256sum < /dev/mapper/v$id)"; dmsetup remove v$id; done
       echo "after: $(dmsetup status pool)"
       dmsetup remove pool`,
        files,
      );
      ranInKernel(t, kernelNames.qemu, 1);
      const seen = digestsIn(output);
      assert.deepEqual(
        [1, 2, 3, 4].map((id) => seen.get(id)),
        before,
      );
      // The kernel's activation itself changes how many metadata blocks are in use, so those two counts are left out.
      const withoutMetadata = (status: string): string => status.replace(/\d+\/\d+ /, "");
      assert.equal(
        withoutMetadata(/^status: \S+ \S+ \S+ (.*?) *$/m.exec(output)![1]),
        withoutMetadata(statusBefore.trim()),
      );

      execFileSync("thin_check", ["-q", files[0]], {
        env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` },
      });
      pool = open();
      for (const id of [1, 2, 4, 5])
        assert.equal(digest(pool, id), seen.get(100 + id), `device ${id} after the kernel`);
      assert.equal(pool.status().split(" ")[0], "10");
      assert.throws(() => pool.message("create_snap 6 3"), { code: "ENODATA" });
      assert.equal(pool.close(), 0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
);
