import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { alignedBuffer } from "../linux/aligned-buffer.ts";
import { attachLoop, detachLoop } from "../linux/loop.ts";
import { errno } from "../linux/system-error.ts";
import { BackingDevice } from "./backing-device.ts";
import { ErrorTarget } from "./error-target.ts";
import { LinearTarget } from "./linear-target.ts";
import { type MappedRange, MappedVolume } from "./mapped-volume.ts";
import { StripedTarget } from "./striped-target.ts";
import type { Target } from "./target.ts";
import { ZeroTarget } from "./zero-target.ts";

const deviceBytes = 4 << 20;
const rounds = 12;
const requests = 150;

/** Numbers that are the same at each run. */
class Dice {
  #state = 12345;
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1103515245) + 12345) >>> 0;
    return Math.floor(((this.#state >>> 3) / 2 ** 29) * limit);
  }
}

/** A target and what it does with what is written. */
interface Made {
  target: Target;
  lengthBytes: number;
  kind: "data" | "zero" | "error";
}

function suite(
  what: string,
  skip: string | false,
  unit: number,
  open: (path: string) => string,
  shut: (path: string) => void,
) {
  describe(`a volume of targets on ${what}`, { skip }, () => {
    const folder = mkdtempSync(join(tmpdir(), "mica-mapping-"));
    const paths: string[] = [];
    const devices: BackingDevice[] = [];

    before(() => {
      for (const name of ["a", "b", "c"]) {
        const file = join(folder, name);
        closeSync(openSync(file, "w"));
        truncateSync(file, deviceBytes);
        paths.push(open(file));
      }
      devices.push(...paths.map((path) => new BackingDevice(path, "read-write")));
    });
    after(() => {
      for (const device of devices) device.close();
      paths.forEach(shut);
      rmSync(folder, { recursive: true });
    });

    test("holds what is written to it, whatever its segments", () => {
      const dice = new Dice();
      for (let round = 0; round < rounds; round++) compare(dice, makeRanges(dice, devices, unit), unit);
    });
  });
}

/** Random segments; on each device they follow each other, so that none share a byte. */
function makeRanges(dice: Dice, devices: BackingDevice[], unit: number): Made[] {
  const used = devices.map(() => 0);
  const made: Made[] = [];
  const take = (index: number, bytes: number) => {
    const offset = used[index] + unit * dice.below(4);
    if (offset + bytes > deviceBytes) return undefined;
    used[index] = offset + bytes;
    return offset;
  };
  for (let count = 1 + dice.below(8); count > 0; count--) {
    const kind = dice.below(5);
    const lengthBytes = unit * (1 + dice.below(300));
    if (kind === 0) made.push({ target: new ZeroTarget(lengthBytes), lengthBytes, kind: "zero" });
    else if (kind === 1) made.push({ target: new ErrorTarget(lengthBytes), lengthBytes, kind: "error" });
    else if (kind === 2) {
      const index = dice.below(devices.length);
      const offset = take(index, lengthBytes);
      if (offset !== undefined) {
        made.push({ target: new LinearTarget(devices[index], offset, lengthBytes), lengthBytes, kind: "data" });
      }
    } else {
      const width = 1 + dice.below(devices.length);
      const chunkBytes = unit * (1 + dice.below(9));
      const stripeBytes = chunkBytes * (1 + dice.below(12));
      const offsets = devices.slice(0, width).map((_, index) => take(index, stripeBytes));
      const stripes = offsets.flatMap((offsetBytes, index) =>
        offsetBytes === undefined ? [] : [{ device: devices[index], offsetBytes }],
      );
      if (stripes.length !== width) continue;
      const bytes = stripeBytes * width;
      made.push({ target: new StripedTarget(stripes, chunkBytes, bytes), lengthBytes: bytes, kind: "data" });
    }
  }
  return made.length > 0 ? made : [{ target: new ZeroTarget(unit), lengthBytes: unit, kind: "zero" }];
}

/** Random requests against the same bytes in memory. */
function compare(dice: Dice, made: Made[], unit: number): void {
  const ranges: MappedRange[] = [];
  const kinds: { end: number; kind: Made["kind"] }[] = [];
  let size = 0;
  for (const { target, lengthBytes, kind } of made) {
    ranges.push({ startBytes: size, lengthBytes, target });
    kinds.push({ end: (size += lengthBytes), kind });
  }
  const volume = new MappedVolume(ranges, "read-write");
  assert.equal(volume.sizeBytes, size);
  const touches = (kind: Made["kind"], offset: number, length: number) =>
    kinds.some(({ end, kind: its }, index) => {
      const start = index === 0 ? 0 : kinds[index - 1].end;
      return its === kind && offset < end && offset + length > start;
    });
  const model = Buffer.alloc(size);
  const buffer = alignedBuffer(size + unit, 4096);
  // What an earlier round left on the devices.
  for (const [index, { startBytes, lengthBytes }] of ranges.entries()) {
    if (kinds[index].kind === "error") continue;
    assert.equal(volume.read(model, startBytes, startBytes, lengthBytes), 0);
  }
  for (let request = 0; request < requests; request++) {
    const offset = unit * dice.below(size / unit);
    const length = Math.min(size - offset, unit * (1 + dice.below(dice.below(4) === 0 ? 600 : 12)));
    const fails = touches("error", offset, length);
    const action = dice.below(4);
    let status: number;
    if (action === 0) {
      const skew = dice.below(2) * Math.min(unit, 16);
      status = volume.read(buffer, skew, offset, length);
      if (!fails) assert.ok(buffer.subarray(skew, skew + length).equals(model.subarray(offset, offset + length)));
    } else {
      const skew = dice.below(2) * Math.min(unit, 16);
      const fill = action === 1 ? 1 + dice.below(255) : 0;
      buffer.fill(fill, skew, skew + length);
      if (action === 1) status = volume.write(buffer, skew, offset, length);
      else status = action === 2 ? volume.punchHole(offset, length) : volume.writeZeroes(offset, length);
      // A loop device whose discards someone turned off makes no holes.
      const refused = action === 2 && status === -errno.EOPNOTSUPP;
      if (refused) status = fails ? -errno.EIO : 0;
      if (!fails && !refused) model.fill(fill, offset, offset + length);
      else {
        // Part of it may be done.
        for (const [index, { startBytes, lengthBytes }] of ranges.entries()) {
          if (kinds[index].kind === "data") assert.equal(volume.read(model, startBytes, startBytes, lengthBytes), 0);
        }
      }
      for (const [index, { startBytes, lengthBytes }] of ranges.entries()) {
        if (kinds[index].kind === "zero") model.fill(0, startBytes, startBytes + lengthBytes);
      }
    }
    assert.equal(status, fails ? -errno.EIO : 0, `request ${request} at ${offset}, ${length} bytes`);
  }
  assert.equal(volume.flush(), 0);
}

suite("files, byte by byte", false, 1, (path) => path, () => undefined); // prettier-ignore
suite("block devices, in odd places of their sectors", needsLoops(), 100, (path) => attachLoop(path), (device) => void detachLoop(device)); // prettier-ignore
suite("block devices of 4096-byte sectors", needsLoops(), 512, (path) => attachLoop(path, { blockSizeBytes: 4096 }), (device) => void detachLoop(device)); // prettier-ignore

function needsLoops(): string | false {
  return process.getuid?.() === 0 && statSync("/dev/loop-control", { throwIfNoEntry: false }) !== undefined
    ? false
    : "needs root and loop devices";
}

describe("a volume of targets", () => {
  const file = join(mkdtempSync(join(tmpdir(), "mica-mapping-")), "file");
  after(() => rmSync(join(file, ".."), { recursive: true }));

  test("keeps to its bounds, and refuses writes where it is read-only", () => {
    const volume = new MappedVolume([{ startBytes: 0, lengthBytes: 4096, target: new ZeroTarget(4096) }], "read-only");
    const buffer = Buffer.alloc(8192);
    assert.equal(volume.read(buffer, 0, 0, 4096), 0);
    assert.equal(volume.read(buffer, 0, 1, 4096), -errno.EINVAL);
    assert.equal(volume.write(buffer, 0, 0, 512), -errno.EROFS);
    assert.equal(volume.punchHole(0, 512), -errno.EROFS);
    assert.equal(volume.writeZeroes(0, 512), -errno.EROFS);
  });

  test("tells holes across its segments", () => {
    closeSync(openSync(file, "w"));
    truncateSync(file, 1 << 20);
    const device = new BackingDevice(file, "read-write");
    const target = new LinearTarget(device, 0, 1 << 20);
    const volume = new MappedVolume(
      [
        { startBytes: 0, lengthBytes: 65536, target: new ZeroTarget(65536) },
        { startBytes: 65536, lengthBytes: 1 << 20, target },
        { startBytes: 65536 + (1 << 20), lengthBytes: 4096, target: new ErrorTarget(4096) },
      ],
      "read-write",
    );
    assert.equal(volume.write(Buffer.alloc(4096, 1), 0, 65536 + 131072, 4096), 0);
    assert.equal(volume.seekData(0), 65536 + 131072);
    assert.equal(volume.seekHole(65536 + 131072), 65536 + 135168);
    assert.equal(volume.seekData(65536 + 135168), 65536 + (1 << 20));
    assert.equal(volume.seekHole(65536 + (1 << 20)), volume.sizeBytes);
    assert.equal(volume.punchHole(65536, 1 << 20), 0);
    assert.equal(statSync(file).blocks, 0);
    assert.equal(readFileSync(file).length, 1 << 20);
    device.close();
  });
});
