import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { randomBytes } from "node:crypto";
import { openDeviceSet } from "../src/graph/graph.ts";
import { openImageStore } from "../src/image/image-store.ts";
import { median } from "./statistics.ts";

const run = promisify(execFile);
const REPEATS = 3;

/** Seconds, medians. */
export interface ImportFigures {
  readonly archive: string;
  readonly tarSeconds: number;
  readonly micaSeconds: number;
}

/** Imports each archive into a graph and extracts it with GNU tar on the host's file system, in turn. */
export async function measureImports(dir: string): Promise<ImportFigures[]> {
  const archives = [
    await makeArchive(dir, "20,000 files of 4 KB", 20_000, 4096),
    await makeArchive(dir, "64 files of 8 MB", 64, 8 << 20),
  ];
  const set = await openDeviceSet({ root: join(dir, "import-graph") });
  try {
    const store = await openImageStore(set);
    const figures: ImportFigures[] = [];
    for (const { title, file } of archives) {
      const mica: number[] = [];
      const tar: number[] = [];
      for (let repeat = 0; repeat < REPEATS; repeat += 1) {
        tar.push(await seconds(() => extract(file, join(dir, "extracted"))));
        rmSync(join(dir, "extracted"), { recursive: true });
        const name = `bench:${repeat}`;
        mica.push(await seconds(() => store.import(name, file)));
        await store.removeImage(name);
      }
      figures.push({ archive: title, tarSeconds: median(tar), micaSeconds: median(mica) });
    }
    return figures;
  } finally {
    await set.shutdown();
  }
}

async function makeArchive(
  dir: string,
  title: string,
  files: number,
  bytes: number,
): Promise<{ title: string; file: string }> {
  const tree = join(dir, `tree-${files}`);
  for (let n = 0; n < files; n += 1) {
    const folder = join(tree, String(n % 100));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${n}`), randomBytes(bytes));
  }
  const file = `${tree}.tar`;
  await run("tar", ["-cf", file, "-C", tree, "."]);
  rmSync(tree, { recursive: true });
  return { title, file };
}

/** Extracts as a user would, then makes it durable, as an import is when it returns. */
async function extract(file: string, target: string): Promise<void> {
  mkdirSync(target);
  await run("tar", ["-xf", file, "-C", target]);
  await run("sync", ["-f", target]);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
