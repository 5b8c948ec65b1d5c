import { spawnSync } from "node:child_process";
import { closeSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageFile } from "../src/linux/package-root.ts";
import { makeBlockFile, seededRandom } from "../src/thin/metadata.testing.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { median } from "./statistics.ts";

/** Runs of each tool; of the large pool one, as Debian's thin_restore takes minutes for it. */
export const runsAtScale = (scale: number): number => (scale === 1 ? 5 : 1);

const origins = 40;
const snapshotsEach = 4;
const deviceBlocks = 10_000;
const rewritten = 1000;
const metadataBlocks = 65_536;
const nothing = (): void => undefined;

/** A tool's figures: medians of whole processes. */
export interface ToolFigures {
  readonly line: string;
  readonly mica: ProcessFigures;
  readonly theirs: ProcessFigures;
}

interface ProcessFigures {
  readonly milliseconds: number;
  /** User and system time: what is left of the time when the disk costs nothing. */
  readonly cpuMilliseconds: number;
  readonly peakBytes: number;
}

/**
 * Runs the thin tools against Debian's, on metadata of two million mappings on two hundred devices: origins, and snapshots of them
 * that were written to in places.
 *
 * @param scale how many times as many mappings each device has
 */
export function measureThinTools(dir: string, scale: number): ToolFigures[] {
  const pool = join(dir, "thin-pool");
  makePool(pool, scale);
  const xml = join(dir, "thin-pool.xml");
  run("/usr/sbin/thin_dump", ["-o", xml, pool]);
  const restored = join(dir, "thin-restored");
  writeFileSync(restored, "");
  truncateSync(restored, metadataBlocks * 4096 * scale);
  const lines: [tool: string, ...words: string[]][] = [
    ["thin_check", "-q", pool],
    ["thin_dump", "-o", "/dev/null", pool],
    ["thin_restore", "-q", "-i", xml, "-o", restored],
    ["thin_delta", "--snap1", "1", "--snap2", "2", pool],
    ["thin_rmap", "--region", "0..10000000", pool],
    ["thin_ls", pool],
    ["thin_ls", "-o", "DEV,MAPPED,EXCLUSIVE,SHARED", pool],
  ];
  const figures = lines.map(([tool, ...words]) => ({
    line: [tool, ...words.filter((word) => !word.startsWith("/"))].join(" "),
    mica: measure(process.execPath, [packageFile("bin/mica"), tool, ...words], runsAtScale(scale)),
    theirs: measure(`/usr/sbin/${tool}`, words, runsAtScale(scale)),
  }));
  for (const path of [pool, xml, restored]) rmSync(path);
  return figures;
}

function makePool(path: string, scale: number): void {
  makeBlockFile(path, metadataBlocks * scale);
  const metadata = ThinMetadata.format(path, { dataBlockSize: 128, dataBlocks: 1_000_000 * scale });
  const random = seededRandom(1);
  const blocks = deviceBlocks * scale;
  for (let origin = 0; origin < origins; origin++) {
    const first = 1 + origin * (1 + snapshotsEach);
    metadata.createThin(first);
    const mapping = metadata.openDevice(first);
    for (let block = 0; block < blocks; block++) mapping.insert(block, metadata.allocateDataBlock());
    metadata.closeDevice(first);
    for (let id = first + 1; id <= first + snapshotsEach; id++) {
      metadata.createSnapshot(id, first);
      const snapshot = metadata.openDevice(id);
      for (let left = rewritten * scale; left > 0;) {
        const start = random(blocks - 8);
        for (let block = start; block <= start + random(8) && left > 0; block++, left--) {
          snapshot.insert(block, metadata.allocateDataBlock());
        }
      }
      metadata.closeDevice(id);
    }
    metadata.commit(nothing);
  }
  metadata.close();
}

function measure(program: string, words: readonly string[], runs: number): ProcessFigures {
  const measured = Array.from({ length: runs }, () => run(program, words));
  return {
    milliseconds: median(measured.map(({ milliseconds }) => milliseconds)),
    cpuMilliseconds: median(measured.map(({ cpuMilliseconds }) => cpuMilliseconds)),
    peakBytes: median(measured.map(({ peakBytes }) => peakBytes)),
  };
}

/** Runs a program as GNU time does: its time, its processor time, and its largest resident set. */
function run(program: string, words: readonly string[]): ProcessFigures {
  const out = openSync("/dev/null", "w");
  try {
    const start = performance.now();
    const { status, stderr } = spawnSync("/usr/bin/time", ["-f", "%U %S %M", program, ...words], {
      encoding: "utf8",
      stdio: ["ignore", out, "pipe"],
    });
    const milliseconds = performance.now() - start;
    if (status !== 0) throw new Error(`Cannot measure ${program}: ${stderr}`);
    const [user, system, kibibytes] = stderr.trim().split("\n").at(-1)!.split(" ").map(Number);
    return { milliseconds, cpuMilliseconds: (user + system) * 1000, peakBytes: kibibytes * 1024 };
  } finally {
    closeSync(out);
  }
}
